"""A worker of the simulated world: our movers, and as much of Celery as an eta needs."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from celery_aws.aws.access import Access
from celery_aws.broker.directory import QueueDirectory
from celery_aws.broker.movers import DirectoryDestinations
from celery_aws.config.broker import parse_broker_options
from celery_aws.core.envelope import load_envelope
from celery_aws.core.messages import ReceivedMessage
from celery_aws.core.parked_messages import maybe_sent_before
from celery_aws.core.queue_names import is_fifo
from celery_aws.core.schedule import Lane
from celery_aws.core.task_eta import received_timing
from celery_aws.names import QueueUrl, TableName
from celery_aws.schedule.mover import Mover
from celery_aws.schedule.outbox import Outbox
from celery_aws.table.coordination import CoordinationTable
from celery_aws.table.leases import LeaderLease
from celery_aws.table.schedule import Schedule
from tests.simulation.clocks import WorldClock
from tests.simulation.cloud import Cloud

TABLE = TableName("celery-coordination")
VISIBILITY_SECONDS = 3


@dataclass(frozen=True, kw_only=True)
class Start:
    """A task that was started."""

    at: datetime
    due: datetime | None
    again: bool

    @property
    def late_seconds(self) -> float:
        return 0.0 if self.due is None else (self.at - self.due).total_seconds()


@dataclass
class Starts:
    """What all workers have started, by task id."""

    of: dict[str, list[Start]] = field(default_factory=dict)
    #: Tasks that a worker had received when it was killed or stopped: they come again, and may
    #: start twice.
    excused: set[str] = field(default_factory=set)

    def add(self, task_id: str, start: Start) -> None:
        self.of.setdefault(task_id, []).append(start)


class Worker:
    """One worker process: a mover a lane, and a receiver a queue.

    Held tasks take no slot, as in Celery, which raises its prefetch count for each of them.
    """

    def __init__(
        self,
        cloud: Cloud,
        starts: Starts,
        name: str,
        *,
        lanes: Sequence[Lane],
        queues: Sequence[QueueUrl],
        ahead_seconds: float = 0.0,
    ) -> None:
        self.process = cloud.world.process(name)
        self.clock = WorldClock(cloud.world, ahead_seconds=ahead_seconds)
        self.leases: dict[Lane, LeaderLease] = {}
        self.held: dict[str, ReceivedMessage] = {}
        self._world = cloud.world
        self._starts = starts
        self._sqs = cloud.line(self.process, cloud.sqs)
        table = CoordinationTable(
            service=cloud.line(self.process, cloud.tables),
            name=TABLE,
            creates=True,
            clock=self.clock,
            random=cloud.world.random.random,
        )
        for lane in lanes:
            self._world.spawn(self.process, self._mover(lane, table).run)
        for url in queues:
            self._world.spawn(self.process, partial(self._receive, url))

    def leads(self, lane: Lane) -> bool:
        """Tell whether its mover may move tasks."""
        return self.process.alive and self.leases[lane].leads

    def kill(self) -> None:
        """End it, as SIGKILL does; not from one of its threads."""
        self._starts.excused.update(self.held)
        self._world.kill(self.process)

    def stop(self, seconds: float) -> None:
        """Let it do nothing for a while, as SIGSTOP does; not from one of its threads."""
        self._starts.excused.update(self.held)
        self._world.stop(self.process, seconds)

    def _mover(self, lane: Lane, table: CoordinationTable) -> Mover:
        self.leases[lane] = LeaderLease(
            table,
            f"mover-{lane.name}",
            owner=self.process.name,
            duration_seconds=lane.lease_seconds,
            renew_seconds=lane.renew_seconds,
        )
        schedule = Schedule(table)
        options = parse_broker_options({"region": "eu-west-1"})
        directory = QueueDirectory(
            options, Access(region="eu-west-1"), lambda _: self._sqs, self.clock
        )
        return Mover(
            lane=lane,
            schedule=schedule,
            lease=self.leases[lane],
            outbox=Outbox(schedule, DirectoryDestinations(directory), self.clock),
            clock=self.clock,
            jitter=self._world.random.random,
        )

    def _receive(self, url: QueueUrl) -> None:
        while True:
            messages: list[ReceivedMessage] = self._sqs.receive(
                url,
                max_messages=1 if is_fifo(url) else 10,
                wait_seconds=20,
                visibility_timeout_seconds=VISIBILITY_SECONDS,
            )
            work = [self._received(message) for message in messages]
            self._world.spawn(self.process, partial(self._work, url, work))

    @property
    def _just_back(self) -> bool:
        back_at = self.process.stopped_until
        return back_at > 0 and self._world.seconds - back_at < VISIBILITY_SECONDS

    def _received(self, message: ReceivedMessage) -> "_Held":
        envelope = load_envelope(message.envelope)
        timing = received_timing(envelope)
        due = None if timing is None else timing.eta
        held = _Held(task_id=envelope["headers"]["id"], due=due, message=message)
        self.held[held.task_id] = message
        if self._just_back:
            # The answer was on its way when it was stopped.
            self._starts.excused.add(held.task_id)
        return held

    def _work(self, url: QueueUrl, work: list["_Held"]) -> None:
        """Hold tasks until they are due, as Celery's timer does, extending their leases."""
        extend_at = self.clock.monotonic() + VISIBILITY_SECONDS / 3
        while work:
            now = self.clock.now()
            due = [each for each in work if each.due is None or each.due <= now]
            work = [each for each in work if each not in due]
            if due:
                self._start(url, due, now)
            elif self.clock.monotonic() >= extend_at:
                extend_at = self.clock.monotonic() + VISIBILITY_SECONDS / 3
                timeouts = [(each.message.receipt_handle, VISIBILITY_SECONDS) for each in work]
                self._sqs.change_visibility_batch(url, timeouts)
            else:
                next_due = min(each.due for each in work if each.due is not None)
                until_due = (next_due - now).total_seconds()
                self.clock.sleep(min(until_due, extend_at - self.clock.monotonic()))

    def _start(self, url: QueueUrl, due: Sequence["_Held"], now: datetime) -> None:
        for each in due:
            again = maybe_sent_before(each.message.message_attributes)
            self._starts.add(each.task_id, Start(at=now, due=each.due, again=again))
        self._sqs.delete_batch(url, [each.message.receipt_handle for each in due])
        for each in due:
            self.held.pop(each.task_id, None)


@dataclass(frozen=True, eq=False)
class _Held:
    task_id: str
    due: datetime | None
    message: ReceivedMessage
