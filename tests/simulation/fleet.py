"""Workers, monitors and a client of the simulated world: our control plane, and what uses it.

Of Celery there is as much as the control plane sees: a worker binds its mailbox and sends
heartbeats, a monitor binds a queue for events, a client sends numbered commands.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from kombu.utils.json import dumps, loads
from kombu.utils.uuid import uuid

from celery_aws.aws.access import Access
from celery_aws.broker.coordination import Coordination
from celery_aws.broker.directory import QueueDirectory
from celery_aws.broker.movers import Movers
from celery_aws.config.broker import BrokerOptions, parse_broker_options
from celery_aws.control.control_plane import ControlOptions, ControlPlane
from celery_aws.control.event_sender import Event
from celery_aws.core.control_messages import ControlCommand
from celery_aws.core.queue_traits import QueueTraits
from celery_aws.core.routing import ExchangeKind
from celery_aws.core.schedule import STANDARD
from celery_aws.errors import AwsError
from celery_aws.names import AmqpQueue, InboxId, TableName
from celery_aws.schedule.mover import Mover
from celery_aws.table.coordination import SPEC, CoordinationTable
from tests.simulation.clocks import WorldClock
from tests.simulation.cloud import Cloud

TABLE = TableName("celery-coordination")
MAILBOXES = "celery.pidbox"
EVENTS = "celeryev"

#: What Celery's own heartbeat waits.
HEARTBEAT_SECONDS = 2.0

#: What a worker tells of itself in each heartbeat.
SOFTWARE = {
    "loadavg": [0.41, 0.28, 0.19],
    "sw_ident": "py-celery",
    "sw_ver": "5.7.0",
    "sw_sys": "Linux",
}

_TRANSIENT = QueueTraits(exclusive=True, auto_delete=True)


def virtual_message(body: Any, **headers: Any) -> dict[str, Any]:
    """Return a message as kombu hands it to a transport."""
    return {
        "body": dumps(body),
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": headers,
        "properties": {"delivery_mode": 1, "delivery_info": {}, "delivery_tag": uuid()},
    }


@dataclass(frozen=True, kw_only=True)
class Heard:
    """A command or event that a process was handed."""

    at_seconds: float
    body: Mapping[str, Any]


class Node:
    """A process with a control plane.

    Attributes:
        name: of the process.
        born_at: when it was started.
        ready_at: when what it binds was there for everybody to see; None until then.
        heard: what its queue was handed.
        back_at: when it went on after the last time that it was stopped.
        stops: from when until when it was stopped.
    """

    def __init__(self, cloud: Cloud, name: str, options: BrokerOptions) -> None:
        self.name = name
        self.world = cloud.world
        self.process = cloud.world.process(name)
        self.born_at = cloud.world.seconds
        self.ready_at: float | None = None
        self.back_at = 0.0
        self.stops: list[tuple[float, float]] = []
        self.heard: list[Heard] = []
        self.clock = WorldClock(cloud.world)
        service = self.service = cloud.line(self.process, cloud.sqs)
        self.directory = QueueDirectory(
            options, Access(region="eu-west-1"), lambda _: service, self.clock
        )
        table = CoordinationTable(
            service=cloud.line(self.process, cloud.tables),
            name=TABLE,
            creates=False,
            clock=self.clock,
            random=cloud.world.random.random,
        )
        self.coordination = Coordination.on(table)
        self.dropped_events = 0
        self.plane = ControlPlane(
            service=service,
            bindings=self.coordination.bindings,
            inboxes=self.coordination.inboxes,
            mailboxes=self.coordination.mailboxes,
            options=ControlOptions(
                queue_name_prefix="",
                queue_tags={},
                wait_time_seconds=options.wait_time_seconds,
                inbox_lease_seconds=options.inbox_lease_seconds,
                event_heartbeat_seconds=options.event_heartbeat_seconds,
            ),
            count_dropped=self._count_dropped,
            clock=self.clock,
        )
        self.world.spawn(self.process, self.run)

    @property
    def inbox(self) -> InboxId:
        return self.plane.keeper.inbox

    @property
    def stopped(self) -> bool:
        return self.process.stopped_until > self.world.seconds

    def run(self) -> None:
        """Do what such a process does; in a thread of its own."""

    def accept(self, message: Mapping[str, Any]) -> None:
        """Take what its queue was sent."""
        self.heard.append(Heard(at_seconds=self.world.seconds, body=loads(message["body"])))

    def kill(self) -> None:
        """End it, as SIGKILL does; not from one of its threads."""
        self.world.kill(self.process)

    def stop(self, seconds: float) -> None:
        """Let it do nothing for a while, as SIGSTOP does; not from one of its threads."""
        self.world.stop(self.process, seconds)
        self.back_at = self.process.stopped_until
        self.stops.append((self.world.seconds, self.back_at))

    def bind(self, queue: str, exchange: str, kind: ExchangeKind, routing_key: str) -> None:
        """Bind a queue of this process, and wait until that is done, however long it takes."""
        found = self.plane.queues.declare(AmqpQueue(queue), _TRANSIENT)
        found.add_consumer(self)
        while self.ready_at is None:
            with suppress(AwsError):
                self.plane.keeper.bind(
                    found, exchange=exchange, kind=kind, routing_key=routing_key, wait_seconds=5.0
                )
                self.ready_at = self.world.seconds

    def _count_dropped(self, events: int) -> None:
        self.dropped_events += events


class FleetWorker(Node):
    """A worker: its mailbox, its heartbeats, and the movers, whose leader reaps."""

    def __init__(self, cloud: Cloud, name: str, options: BrokerOptions, hostname: str) -> None:
        self.hostname = hostname
        super().__init__(cloud, name, options)
        self._movers = Movers(self.coordination, self.directory, self.clock)

    @property
    def leads(self) -> bool:
        """True if it is the movers' leader."""
        mover = self._mover
        return self.process.alive and mover is not None and mover._lease.leads

    @property
    def _mover(self) -> Mover | None:
        return self._movers._movers.get(STANDARD)

    def run(self) -> None:
        self.bind(f"{self.hostname}.{MAILBOXES}", MAILBOXES, "fanout", "")
        self._movers.start(fifo=False)
        self.beat()

    def beat(self) -> None:
        """Send heartbeats, for ever (celery/worker/heartbeat.py)."""
        while True:
            told = {"freq": HEARTBEAT_SECONDS, "active": 0, "processed": 0, **SOFTWARE}
            self.publish("worker.heartbeat", self.event("worker-heartbeat", **told))
            self.clock.sleep(HEARTBEAT_SECONDS)

    def event(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Return an event as Celery's dispatcher makes it (celery/events/dispatcher.py)."""
        return {
            "hostname": self.hostname,
            "utcoffset": 0,
            "pid": 4711,
            "clock": 1,
            "timestamp": self.clock.now().timestamp(),
            "type": kind,
            **fields,
        }

    def publish(self, routing_key: str, body: Any) -> None:
        """Send an event, or several in a list."""
        message = virtual_message(body, hostname=self.hostname)
        self.plane.publish_event(Event(exchange=EVENTS, routing_key=routing_key, message=message))


class FleetMonitor(Node):
    """A monitor: it receives every event."""

    def run(self) -> None:
        self.bind(f"{EVENTS}.{self.name}", EVENTS, "topic", "#")


class FleetClient(Node):
    """Sends a numbered command to all workers every few seconds.

    Attributes:
        sent: when each command was on its way, and when SQS had it, by its number.
    """

    def __init__(
        self, cloud: Cloud, name: str, options: BrokerOptions, every_seconds: float
    ) -> None:
        self.sent: dict[int, tuple[float, float]] = {}
        self._every_seconds = every_seconds
        super().__init__(cloud, name, options)

    def run(self) -> None:
        while True:
            self.clock.sleep(self._every_seconds)
            self.send(len(self.sent))

    def send(self, number: int) -> None:
        """Send one command."""
        body = {"method": "rate_limit", "arguments": {"number": number}}
        message = virtual_message(body, clock=number)
        command = ControlCommand(method="rate_limit", for_all=True)
        begun = self.world.seconds
        self.plane.send_command(command, MAILBOXES, "", message)
        self.sent[number] = (begun, self.world.seconds)


@dataclass(kw_only=True)
class Fleet:
    """All processes of a deployment.

    Attributes:
        nodes: those that are alive, but for clients.
        dead: those that were killed, with when.
    """

    cloud: Cloud
    options: BrokerOptions = field(default_factory=partial(parse_broker_options, {}))
    nodes: list[Node] = field(default_factory=list)
    dead: list[tuple[Node, float]] = field(default_factory=list)
    count: int = 0

    def __post_init__(self) -> None:
        self.cloud.tables.create_table(TABLE, SPEC)

    @property
    def workers(self) -> list[FleetWorker]:
        return [each for each in self.nodes if isinstance(each, FleetWorker)]

    def worker(self, hostname: str | None = None) -> FleetWorker:
        name = self._name("worker")
        made = FleetWorker(self.cloud, name, self.options, hostname or name)
        self.nodes.append(made)
        return made

    def monitor(self) -> FleetMonitor:
        made = FleetMonitor(self.cloud, self._name("monitor"), self.options)
        self.nodes.append(made)
        return made

    def client(self, every_seconds: float) -> FleetClient:
        return FleetClient(self.cloud, self._name("client"), self.options, every_seconds)

    def kill(self, node: Node) -> None:
        self.nodes.remove(node)
        self.dead.append((node, self.cloud.world.seconds))
        node.kill()

    def _name(self, what: str) -> str:
        self.count += 1
        return f"{what}-{self.count}"
