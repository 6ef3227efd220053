"""A chord that is moved while its tasks return, by workers that stop at any place.

Movers die anywhere, are begun again, and meet each other. Whatever happens in which order, the body
is sent once, with what all tasks returned.
"""

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from celery.app.task import Context
from celery.canvas import Signature
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from celery_aws.core import chords
from celery_aws.core.chords import Layout, Part
from celery_aws.migrate import ResultBackend
from celery_aws.migrate.results.chord_moves import ChordMoves, Moved
from celery_aws.migrate.results.redis_chords import ClosedChord, Closing, StoredPart
from celery_aws.migrate.results.sides import Side
from celery_aws.results import DynamoDBBackend
from celery_aws.results.chord_items import root_of
from celery_aws.results.chord_ledger import Claim
from celery_aws.results.items import table_spec
from celery_aws.testing.clock import FakeClock
from celery_aws.testing.memory_dynamodb import MemoryTableService
from tests.unit.results.conftest import TABLE, URL, FrozenApp
from tests.unit.results.passing_time import PassingClock
from tests.unit.results.stepped import GOES_ON, KILLED, Worker

GROUP = "g"
MOVERS = 2
ENOUGH_STEPS = 4_000

SMALL = {"ROOT_PARTS": 2, "SHARD_PARTS": 2, "STRIPES": 2, "_BLOCK_PARTS": 4}


@pytest.fixture(autouse=True)
def _small_shards_and_no_log(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in SMALL.items():
        monkeypatch.setattr(chords, name, value)
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


class Redis:
    """One chord in a Redis, as Celery's scripts treat it; each method is one of them."""

    def __init__(self) -> None:
        self.size: int | None = None
        self.added = 0
        self.returned: dict[Part, StoredPart] = {}
        self.moved: tuple[int, int, dict[Part, StoredPart]] | None = None
        self.claimed = False
        self.is_over = False

    def part_returns(self, part: StoredPart) -> list[Any] | None:
        """Return the results if this is to send the body."""
        if self.is_over:
            return None
        self.returned[part.part] = part
        total = None if self.size is None else self.size + self.added
        if self.claimed or total is None or len(self.returned) < total:
            return None
        self.claimed = True
        found = sorted(self.returned.values(), key=lambda each: each.part.index or 0)
        return [each.result for each in found]

    def clean_up(self) -> None:
        self.size, self.returned, self.is_over = None, {}, True

    def add(self, _: str) -> bool:
        self.added += 1
        return self.size is not None

    def has_size(self, _: str) -> bool:
        return self.size is not None or self.moved is not None

    def is_nested(self, _: str) -> bool:
        return False

    def close(self, _: str) -> Closing:
        if self.size is None:
            return Closing.ABSENT if self.moved is None else Closing.CLOSED
        if self.claimed or len(self.returned) >= self.size + self.added:
            return Closing.ENDING
        self.moved = (self.size, self.added, self.returned)
        self.size, self.added, self.returned = None, 0, {}
        return Closing.CLOSED

    def closed(self, _: str) -> ClosedChord | None:
        if self.moved is None:
            return None
        size, added, returned = self.moved
        return ClosedChord(size=size + added, parts=tuple(returned.values()), group=None)

    def late(self, _: str) -> list[StoredPart]:
        return list(self.returned.values())

    def forget(self, _: str) -> None:
        self.moved = None


class Stepped:
    """A worker's way to Redis, on which it stops."""

    def __init__(self, worker: Worker, redis: Redis) -> None:
        self.backend = worker.backend
        self._worker = worker
        self._redis = redis

    def __getattr__(self, name: str) -> Any:
        asked = getattr(self._redis, name)

        def request(*args: Any) -> Any:
            self._worker.stop(name, "before")
            answer = asked(*args)
            self._worker.stop(name, "after")
            return answer

        return request


class OldBackend:
    """Celery's backend on Redis, of a worker."""

    thread_safe = True
    client = None

    def __init__(self, stepped: Any, bodies: list[Any]) -> None:
        self.connparams: dict[str, Any] = {}
        self._stepped = stepped
        self._bodies = bodies

    def on_chord_part_return(self, request: Any, state: str, result: Any, **_: Any) -> None:
        part = Part(index=request.group_index, task_id=request.id)
        values = self._stepped.part_returns(StoredPart(part=part, state=state, result=result))
        if values is not None:
            self._bodies.append(values)
            self._stepped.clean_up()


class OldSide(Side):
    """The old side of a worker."""

    @property
    def redis_chords(self) -> Any:
        return self.backend._stepped


class ChordMoveStates(RuleBasedStateMachine):
    @initialize(size=st.sampled_from([1, 2, 2, 3, 3, 5]), is_sent=st.booleans())
    def begin(self, size: int, is_sent: bool) -> None:
        self.clock = FakeClock()
        self.table = MemoryTableService(clock=self.clock)
        self.table.create_table(TABLE, table_spec(read_capacity=None, write_capacity=None))
        self.redis = Redis()
        self.bodies: list[Any] = []
        self.size = size
        self.workers = [self.worker(index) for index in range(size)]
        self.movers = [self.process() for _ in range(MOVERS)]
        self.is_sent = False
        if is_sent:
            self.send_the_last()

    def process(self) -> Worker:
        return Worker(
            self.clock,
            self.table,
            on_request=lambda *_: None,
            on_publish=lambda _worker, _id, values, _options: self.bodies.append(values),
            on_error=lambda _: self.bodies.append("an error"),
        )

    def worker(self, index: int) -> Worker:
        worker = self.process()
        old = OldBackend(Stepped(worker, self.redis), self.bodies)

        def side(_app: Any, name: Any, *_: Any) -> Side:
            if name == "new":
                return Side(name="new", backend=worker.backend)
            return OldSide(name="old", backend=old)

        worker.app.conf.result_backend_transport_options = {
            "new_backend": "aws+dynamodb://",
            "old_backend": "redis://",
        }
        both = ResultBackend(worker.app, make_side=side, clock=worker.backend.clock)
        body = Signature("body", app=worker.app, options={"task_id": "the-body"})
        request = Context(
            id=f"task-{index}", group=GROUP, group_index=index, chord=dict(body),
            ignore_result=bool(index % 2),
        )  # fmt: skip
        worker.begin(lambda _: both.mark_as_done(request.id, index, request=request))
        return worker

    @rule(number=st.integers(0, 5), steps=st.sampled_from([2, 4, 6, 8, 30]))
    def work(self, number: int, steps: int) -> None:
        # The size is said before the last task is sent.
        sent = self.workers if self.is_sent else self.workers[:-1]
        if sent:
            for _ in range(steps):
                sent[number % len(sent)].step(GOES_ON)

    @rule(number=st.integers(0, MOVERS - 1), steps=st.sampled_from([1, 3, 5, 7, 30]))
    def move(self, number: int, steps: int) -> None:
        mover = self.movers[number]
        # Others are not found by whoever looks for chords.
        chord = self.redis
        found = chord.size is not None or chord.moved is not None or bool(chord.returned)
        if mover.is_idle and found:
            moves = ChordMoves(Stepped(mover, self.redis), mover.backend)  # type: ignore[arg-type]
            mover.begin(lambda _: moves.move(GROUP) and None)
        for _ in range(steps):
            mover.step(GOES_ON)

    @rule(number=st.integers(0, MOVERS - 1))
    def kill(self, number: int) -> None:
        self.movers[number].step(KILLED)

    @rule()
    def send_the_last(self) -> None:
        if not self.is_sent:
            self.redis.size = self.size
            self.is_sent = True

    def teardown(self) -> None:
        if not hasattr(self, "workers"):
            return
        self.send_the_last()
        for _ in range(ENOUGH_STEPS):
            going = [each for each in (*self.workers, *self.movers) if not each.is_idle]
            if not going:
                break
            for each in going:
                each.step(GOES_ON)
            if all(each.is_asleep or each.is_idle for each in going):
                self.clock.advance(1)
        assert all(each.is_idle for each in self.workers), "somebody waits for ever"
        assert self.bodies == [list(range(self.size))]


ChordMoveStates.TestCase.settings = settings(max_examples=150, stateful_step_count=30)
TestChordMoves = ChordMoveStates.TestCase


class Mover:
    """A process that moves the chord, step by step."""

    def __init__(self, redis: Redis, clock: FakeClock, table: MemoryTableService) -> None:
        self.process = Worker(
            clock,
            table,
            on_request=lambda *_: None,
            on_publish=lambda *_: None,
            on_error=lambda _: None,
        )
        moves = ChordMoves(
            Stepped(self.process, redis),  # type: ignore[arg-type]
            self.process.backend,
        )
        self.process.begin(lambda _: moves.move(GROUP) and None)

    def go_on(self, until: tuple[str, str] | None = None) -> None:
        """Go on to the end, or to a place."""
        while not self.process.is_idle and (until is None or self.process.place != until):
            self.process.step(GOES_ON)


def test_a_chord_whose_size_is_said_while_it_is_looked_at_is_not_lost() -> None:
    clock, redis = FakeClock(), Redis()
    table = MemoryTableService(clock=clock)
    table.create_table(TABLE, table_spec(read_capacity=None, write_capacity=None))
    parts = [Part(index=index, task_id=f"task-{index}") for index in range(2)]
    for part in parts:
        redis.part_returns(StoredPart(part=part, state="SUCCESS", result=part.index))
    first, second = (Mover(redis, clock, table) for _ in range(2))
    first.go_on(until=("close", "after"))
    redis.size = 3
    second.go_on(until=("closed", "after"))
    first.go_on()
    second.go_on()
    Mover(redis, clock, table).go_on()
    backend = DynamoDBBackend(app=first.process.app, url=URL, service=table, clock=clock)
    root = backend.chord_root(GROUP)
    assert root is not None, "the chord is neither in Redis nor here"
    assert root_of(root).parts == {part.member for part in parts}


def test_a_chord_whose_last_part_is_being_told_is_not_stuck() -> None:
    clock, redis = PassingClock(), Redis()
    table = MemoryTableService(clock=clock)
    table.create_table(TABLE, table_spec(read_capacity=None, write_capacity=None))
    app = FrozenApp("moves", set_as_current=False, broker="memory://")
    app.clock = clock
    backend = DynamoDBBackend(app=app, url=URL, service=table, clock=clock)
    redis.backend = backend  # type: ignore[attr-defined]
    moves = ChordMoves(redis, backend)  # type: ignore[arg-type]
    part = StoredPart(part=Part(index=0, task_id="task-0"), state="SUCCESS", result=0)
    redis.size = 1
    assert moves.move(GROUP) is Moved.HERE
    redis.part_returns(part)
    assert moves.move(GROUP) is Moved.STUCK

    key, sleep = backend.get_key_for_chord(GROUP), clock.sleep

    def told(seconds: float) -> None:
        sleep(seconds)
        assert isinstance(backend.ledger.record(key, part.part, Layout()), Claim)

    clock.sleep = told  # type: ignore[method-assign]
    assert moves.move(GROUP) is Moved.HERE
