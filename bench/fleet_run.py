"""Fleets in the simulated world, with the real control plane, movers and reaper, and their bills.

Of Celery there is what reaches the transport: heartbeats every 2 s, the events of tasks, polls of a
task queue that is empty, Flower's repeated ``enable_events``, and what ``inspect`` asks.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from math import ceil
from typing import Any

import pytest
from kombu.utils.uuid import uuid
from tests.simulation.cloud import Cloud
from tests.simulation.fleet import EVENTS, MAILBOXES, Fleet, FleetMonitor, FleetWorker, Node
from tests.simulation.fleet import virtual_message as message_of
from tests.simulation.waiting import put_threads_on
from tests.simulation.world import World

from bench.fleet_cloud import Bill, MeteredCloud
from celery_aws.config.broker import BrokerOptions, parse_broker_options
from celery_aws.core.control_messages import ControlCommand
from celery_aws.core.queue_traits import QueueTraits
from celery_aws.names import AmqpQueue, QueueName

MONTH_SECONDS = 30 * 86_400.0
QUEUE = QueueName("celery")

#: How often Flower asks all workers for events (flower/events.py).
FLOWER_SECONDS = 5.0

#: For how long there have been tasks when metering begins.
WARM_SECONDS = 10.0

#: How long ``inspect`` waits for one more reply.
REPLY_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A fleet, and what it does.

    Attributes:
        workers: how many.
        monitors: how many.
        tasks_per_second: of each worker, with events.
        gossip: workers listen to each other.
        flower: the monitor asks for events as Flower does.
        control: workers have remote control.
        inspect_every_seconds: how often a client asks all workers; None is never.
        seconds: for which it is metered.
        settling_seconds: before that.
    """

    workers: int
    monitors: int = 0
    tasks_per_second: float = 0.0
    gossip: bool = False
    flower: bool = False
    control: bool = True
    inspect_every_seconds: float | None = None
    seconds: float = 1_200.0
    settling_seconds: float = 700.0


@dataclass(frozen=True, kw_only=True)
class Metered:
    """What a fleet asked of AWS in the metered time, by who pays.

    Attributes:
        bills: of the movers' leader, all other workers, monitors and clients together.
        seconds: how long that was.
        dropped_events: how many were not sent.
    """

    bills: Mapping[str, Bill]
    seconds: float
    dropped_events: int

    @property
    def total(self) -> Bill:
        """All of it."""
        return sum(self.bills.values(), Bill())

    def a_minute(self, bill: Bill) -> Bill:
        """Return it for a minute."""
        return bill.times(60.0 / self.seconds)

    def a_month(self, bill: Bill) -> Bill:
        """Return it for 30 days."""
        return bill.times(MONTH_SECONDS / self.seconds)


class BenchWorker(FleetWorker):
    """A worker that also polls its queue, and sends the events of tasks."""

    def __init__(self, cloud: Cloud, name: str, options: BrokerOptions, scenario: Scenario) -> None:
        self._scenario = scenario
        super().__init__(cloud, name, options, f"celery@{name}.eu-west-1.compute.internal")

    def run(self) -> None:
        """Do what such a process does; in a thread of its own."""
        self.world.spawn(self.process, self._poll)
        if self._scenario.tasks_per_second:
            self.world.spawn(self.process, self._run_tasks)
        if self._scenario.gossip:
            self.world.spawn(self.process, self._gossip)
        if self._scenario.control:
            super().run()
        else:
            self._movers.start(fifo=False)
            self.beat()

    def accept(self, message: Mapping[str, Any]) -> None:
        """Reply to what asks for it."""
        headers = message["headers"]
        if "reply_to" in headers:
            reply = message_of({self.hostname: {"ok": "pong"}}, hostname=self.hostname)
            self.plane.replies.put(headers["reply_to"], reply)

    def _gossip(self) -> None:
        self.clock.sleep(5.0)
        queue = self.plane.queues.declare(AmqpQueue(f"gossip-{self.name}"), QueueTraits())
        queue.add_consumer(self)
        self.plane.keeper.bind(
            queue, exchange=EVENTS, kind="topic", routing_key="worker.#", wait_seconds=60.0
        )

    def _poll(self) -> None:
        url = self.service.queue_url(QUEUE)
        # Workers do not start in the same moment.
        self.clock.sleep(self.world.random.uniform(0, 20))
        while True:
            self.service.receive(
                url, max_messages=10, wait_seconds=20, visibility_timeout_seconds=120
            )

    def _run_tasks(self) -> None:
        pause_seconds = 1.0 / self._scenario.tasks_per_second
        begin_at = self._scenario.settling_seconds - WARM_SECONDS
        self.clock.sleep(begin_at - self.world.seconds + self.world.random.uniform(0, 2))
        while True:
            task_id = uuid()
            received = self.event(
                "task-received",
                uuid=task_id,
                name="shop.tasks.send_confirmation",
                args="(20261122, 'somebody@example.org')",
                kwargs="{'language': 'ja', 'attach_invoice': True}",
                root_id=task_id,
                parent_id=None,
                retries=0,
                eta=None,
                expires=None,
            )
            result = {"result": "None", "runtime": 0.0712345678}
            # The loop sends what gathered in one turn as a list.
            self.publish("task.multi", [received])
            self.publish("task.multi", [self.event("task-started", uuid=task_id)])
            self.publish("task.multi", [self.event("task-succeeded", uuid=task_id, **result)])
            self.clock.sleep(pause_seconds)


class BenchMonitor(FleetMonitor):
    """A monitor that may ask for events again and again."""

    def __init__(self, cloud: Cloud, name: str, options: BrokerOptions, scenario: Scenario) -> None:
        self._scenario = scenario
        super().__init__(cloud, name, options)

    def run(self) -> None:
        """Do what such a process does; in a thread of its own."""
        super().run()
        while self._scenario.flower:
            message = message_of({"method": "enable_events", "arguments": {}}, clock=1)
            command = ControlCommand(method="enable_events", for_all=True)
            self.plane.send_command(command, MAILBOXES, "", message)
            self.clock.sleep(FLOWER_SECONDS)

    def accept(self, message: Mapping[str, Any]) -> None:
        """Take an event and keep nothing of it."""


class BenchClient(Node):
    """Runs ``inspect ping`` every so often, each time as a new client.

    Attributes:
        asked: how often.
        answers: how many replies came, of all times.
    """

    def __init__(self, cloud: Cloud, name: str, options: BrokerOptions, scenario: Scenario) -> None:
        self._scenario = scenario
        self.asked = self.answers = 0
        super().__init__(cloud, name, options)

    def run(self) -> None:
        """Do what such a process does; in a thread of its own."""
        every_seconds = self._scenario.inspect_every_seconds or 0.0
        # In the metered time, and with nothing under way at its ends.
        self.clock.sleep(self._scenario.settling_seconds + every_seconds / 2)
        while True:
            began = self.world.seconds
            self._inspect()
            self.clock.sleep(every_seconds - (self.world.seconds - began))

    def _inspect(self) -> None:
        oid, answered_at = uuid(), self.world.seconds

        def deliver(_: Mapping[str, Any]) -> None:
            nonlocal answered_at
            self.answers, answered_at = self.answers + 1, self.world.seconds

        reader = self.plane.reply_reader(oid, deliver)
        command = ControlCommand(method="ping", for_all=True, reply_to=oid)
        message = message_of({"method": "ping", "arguments": {}}, clock=self.asked, reply_to=oid)
        reader.start()
        self.plane.send_command(command, MAILBOXES, "", message)
        self.asked += 1
        while self.world.seconds < answered_at + REPLY_SECONDS:
            self.clock.sleep(0.05)
        reader.stop(REPLY_SECONDS)


@dataclass(kw_only=True)
class BenchFleet(Fleet):
    """The processes of a scenario."""

    scenario: Scenario
    made: list[Node] = field(default_factory=list)

    def start(self) -> None:
        """Start all of them."""
        self.cloud.sqs.create_queue(QUEUE, {}, {})
        kinds: list[tuple[str, type[Any], int]] = [
            ("worker", BenchWorker, self.scenario.workers),
            ("monitor", BenchMonitor, self.scenario.monitors),
            ("client", BenchClient, int(self.scenario.inspect_every_seconds is not None)),
        ]
        for kind, make, count in kinds:
            for number in range(count):
                # Half a second apart, or they would do everything at the same moment for ever.
                start = partial(self._make, make, f"{kind}-{number}")
                self.cloud.world.at(0.5 * len(self.made) + 0.5 * number, start)

    def bills(self, cloud: MeteredCloud) -> dict[str, Bill]:
        """Return the bills so far, by who pays."""
        leaders = {each.name for each in self.made if isinstance(each, FleetWorker) and each.leads}
        found: dict[str, Bill] = {}
        for name, bill in cloud.bills.items():
            who = "leader" if name in leaders else name.partition("-")[0]
            found[who] = found.get(who, Bill()) + bill
        return found

    def _make(self, make: type[Any], name: str) -> None:
        self.made.append(make(self.cloud, name, self.options, self.scenario))


@contextmanager
def running(scenario: Scenario, **options: Any) -> Iterator[tuple[BenchFleet, MeteredCloud]]:
    """Have a fleet that has settled."""
    world = World(1)
    with pytest.MonkeyPatch.context() as patch:
        put_threads_on(world, patch)
        cloud = MeteredCloud.of(world)
        fleet = BenchFleet(cloud=cloud, options=parse_broker_options(options), scenario=scenario)
        fleet.start()
        try:
            world.run_until(scenario.settling_seconds)
            yield fleet, cloud
        finally:
            world.end()


def meter(scenario: Scenario, **options: Any) -> Metered:
    """Run a fleet and return what it used."""
    with running(scenario, **options) as (fleet, cloud):
        before = fleet.bills(cloud)
        cloud.world.run_until(scenario.settling_seconds + scenario.seconds)
        after = fleet.bills(cloud)
        for client in fleet.made:
            if isinstance(client, BenchClient):
                assert client.answers == client.asked * scenario.workers
        return Metered(
            bills={who: bill - before.get(who, Bill()) for who, bill in after.items()},
            seconds=scenario.seconds,
            dropped_events=sum(each.dropped_events for each in fleet.made),
        )


def inspect_of(workers: int) -> Metered:
    """Return what one ``inspect`` of so many idle workers uses, beside what they use anyway."""
    every_seconds = 60.0
    idle = Scenario(workers=workers, seconds=600.0)
    asked = Scenario(workers=workers, seconds=600.0, inspect_every_seconds=every_seconds)
    count = ceil(asked.seconds / every_seconds)
    without, with_it = meter(idle), meter(asked)
    return Metered(
        bills={
            who: (bill - without.bills.get(who, Bill())).times(1 / count)
            for who, bill in with_it.bills.items()
        },
        seconds=every_seconds,
        dropped_events=0,
    )
