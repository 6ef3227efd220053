"""A task that was accepted is found by its marker, whoever is stopped or killed, and wherever.

Publishers stop for any time between the marker and the entry; those who move tasks look for empty
shards all the while, and delete their markers. None of them compares clocks with another.
"""

import zlib
from datetime import timedelta
from itertools import count

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from celery_aws.core.schedule import STANDARD
from celery_aws.table.schedule import MARKER_REST_SECONDS, MARKER_SECONDS
from celery_aws.testing.clock import FakeClock
from tests.unit.schedule.conftest import Process, World
from tests.watched import KilledError

STEP_SECONDS = 20.0
PAUSES = st.sampled_from([0.0, 50.0, 70.0, 100.0, 130.0, 200.0, 500.0, 1_000.0])

#: When a task may go, from now. Over for one whose publisher stopped before it came to park it.
SOON = st.sampled_from([-400.0, -100.0, 1.0, 30.0, 200.0])


class Marking(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.world = World(self.clock)
        self.world.new_queue()
        self.publishers = [Process(self.world, f"publisher-{number}") for number in range(2)]
        self.movers = [Process(self.world, f"mover-{number}") for number in range(2)]
        self.accepted: set[str] = set()
        self.moved: set[str] = set()
        # All of one shard, so that they meet.
        names = map("task-{}".format, count())
        self.names = (name for name in names if zlib.crc32(name.encode()) % 64 == 0)

    def teardown(self) -> None:
        self.world.sqs.close()

    @initialize()
    def a_marker_is_there(self) -> None:
        self.park(0, 30.0, place="before", request=0, pause=0.0, killed=False)

    @rule(
        publisher=st.integers(0, 1),
        soon=SOON,
        place=st.sampled_from(["before", "after"]),
        request=st.integers(0, 2),
        pause=PAUSES,
        killed=st.booleans(),
    )
    def park(
        self, publisher: int, soon: float, place: str, request: int, pause: float, killed: bool
    ) -> None:
        """Park a task that may go soon, and stop for a while, or die, around a request."""
        process, name = self.publishers[publisher], next(self.names)

        def meanwhile() -> None:
            self.time_passes(pause)
            if killed:
                raise KilledError

        for _ in range(request):
            process.tables.meets()
        process.tables.meets(**{place: meanwhile})
        due = self.clock.now() + timedelta(seconds=900 + soon)
        try:
            process.schedule.park(self.world.task(name, due), STANDARD)
            self.accepted.add(name)
        except KilledError:
            self.publishers[publisher] = Process(self.world, "its successor")
        process.tables._next.clear()

    @rule(seconds=st.sampled_from([10.0, MARKER_SECONDS, MARKER_REST_SECONDS, 300.0, 600.0]))
    def time_passes(self, seconds: float) -> None:
        end = self.clock.monotonic() + seconds
        while self.clock.monotonic() < end:
            self.clock.advance(min(STEP_SECONDS, end - self.clock.monotonic()))
            for process in self.movers:
                self.move(process)

    @rule(mover=st.integers(0, 1))
    def a_mover_is_replaced(self, mover: int) -> None:
        self.movers[mover] = Process(self.world, "another mover")

    @rule(
        pause=PAUSES,
        where=st.sampled_from(["query", "delete_item"]),
        steps=st.sampled_from([0, 5, 10, 20]),
        soon=SOON,
    )
    def a_mover_works_alone_and_stops(
        self, pause: float, where: str, steps: int, soon: float
    ) -> None:
        """It stops before a request of a kind, and meanwhile a task is parked."""
        process = Process(self.world, "alone")

        def meanwhile(name: str, place: str) -> None:
            if (name, place) == (where, "before"):
                process.tables.on_boundary = None
                self.time_passes(pause)
                self.park(0, soon, place="before", request=0, pause=0.0, killed=False)

        for step in range(40):
            self.clock.advance(STEP_SECONDS)
            if step == steps:
                process.tables.on_boundary = meanwhile
            self.move(process)

    def move(self, process: Process) -> None:
        """Do what a leader does, leader or not: at any time there may be two for a moment."""
        until = self.clock.now()
        markers = process.schedule.markers(STANDARD, until=until)
        for marker in markers:
            for page in process.schedule.entries(marker.shard, until=until):
                self.moved.update(entry["task_id"]["S"] for entry in page)
                process.schedule.remove(page)
        process.mover._tidy(markers)

    @invariant()
    def what_was_accepted_is_found(self) -> None:
        found = {entry["task_id"]["S"] for entry in self.world.entries()}
        assert self.accepted - self.moved <= found


TestMarking = Marking.TestCase
TestMarking.settings = settings(max_examples=100, stateful_step_count=20, deadline=None)
