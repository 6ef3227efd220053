"""A scan as the backend leads it, over tasks that end while it goes on."""

from hypothesis import given
from hypothesis import strategies as st

from celery_aws.core.read_ahead import (
    ENDED_SECONDS,
    PAUSE_SECONDS,
    UNENDED_SECONDS,
    WINDOW_BYTES,
    Scan,
)
from celery_aws.core.result_order import ResultOrder

IDS = [f"t{number}" for number in range(12)]
ENDED = b"ended"


class World:
    """Tasks that have ended or not, and one thread that asks for them."""

    def __init__(self, task_ids: list[str]) -> None:
        self.now = 0.0
        self.stored: dict[str, bytes | None] = dict.fromkeys(task_ids)
        self.written_at: dict[str, float] = {}
        self.reads: list[list[str]] = []
        self.order = ResultOrder()
        self.order.remember(task_ids)
        self.scan = Scan(self.order)

    def ask(self, task_id: str) -> tuple[bytes | None, bool]:
        """Return the answer, and whether it was read for this very question."""
        entry = self.scan.take(task_id, self.now)
        fresh = entry is None or not entry.may_be_told(has_ended=entry.payload == ENDED)
        if fresh:
            task_ids = self.scan.to_read(task_id, self.now)
            self.reads.append(task_ids)
            found = {each: self.stored[each] for each in task_ids}
            self.scan.read(found, self.now)
            payload = found[task_id]
        else:
            assert entry is not None
            payload = entry.payload
        self.scan.told(self.now, has_ended=payload == ENDED)
        return payload, fresh

    def end(self, task_id: str) -> None:
        self.stored[task_id] = ENDED
        self.written_at.setdefault(task_id, self.now)

    def sizes(self) -> list[int]:
        return [len(task_ids) for task_ids in self.reads]


def test_one_question_reads_one() -> None:
    world = World(IDS)
    world.ask("t3")
    assert world.reads == [["t3"]]


def test_a_scan_reads_ever_more_at_once() -> None:
    world = World([f"t{number}" for number in range(400)])
    for task_id in world.stored:
        world.ask(task_id)
    assert world.sizes() == [1, 4, 16, 64, 100, 100, 100, 15]


def test_a_question_that_is_asked_twice_is_read_twice() -> None:
    world = World(IDS)
    for task_id in ("t0", "t1", "t2"):
        world.ask(task_id)
    world.end("t2")
    assert world.ask("t2") == (ENDED, True)


def test_a_question_out_of_order_is_read_alone() -> None:
    world = World(IDS)
    for task_id in ("t0", "t1", "t0", "t7", "t5"):
        world.ask(task_id)
    assert world.reads == [["t0"], ["t1", "t2", "t3", "t4"], ["t0"], ["t7"], ["t5"]]


def test_a_caller_that_pauses_is_not_told_what_may_be_over() -> None:
    world = World(IDS)
    world.ask("t0")
    world.ask("t1")
    world.now += 2 * PAUSE_SECONDS
    assert world.ask("t2") == (None, True)


def test_that_a_task_has_ended_is_told_for_longer() -> None:
    world = World(IDS)
    for task_id in IDS:
        world.end(task_id)
    world.ask("t0")
    world.ask("t1")
    world.now += 2 * UNENDED_SECONDS
    assert world.ask("t2") == (ENDED, False)
    world.now += ENDED_SECONDS
    assert world.ask("t3") == (ENDED, True)


def test_a_scan_that_rests_begins_anew() -> None:
    world = World(IDS)
    world.ask("t0")
    world.now += 2 * ENDED_SECONDS
    world.ask("t1")
    assert world.sizes() == [1, 1]


def test_anything_else_drops_what_was_read() -> None:
    world = World(IDS)
    world.ask("t0")
    world.ask("t1")
    world.scan.drop()
    assert world.ask("t2")[1]
    assert world.reads[-1] == ["t2"]


def test_the_end_of_a_group_is_learnt() -> None:
    world = World(IDS)
    for _ in range(3):
        for task_id in IDS[:6]:
            world.ask(task_id)
        world.now += 1
    assert world.reads[2][-1] == "t11"
    assert [task_ids[-1] for task_ids in world.reads[3:]] == ["t0", "t4", "t5"] * 2


def test_what_is_large_is_read_a_few_at_a_time() -> None:
    world = World([f"t{number}" for number in range(30)])
    for task_id in world.stored:
        world.stored[task_id] = bytes(WINDOW_BYTES // 3)
    for task_id in world.stored:
        world.ask(task_id)
    assert max(world.sizes()) == 3


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("ask"), st.sampled_from(IDS)),
            st.tuples(st.just("next"), st.integers(1, 3)),
            st.tuples(st.just("end"), st.sampled_from(IDS)),
            st.tuples(st.just("pass"), st.sampled_from([0.0005, 0.001, 0.003, 0.03, 0.2])),
            st.tuples(st.just("drop"), st.none()),
        ),
        max_size=80,
    )
)
def test_no_answer_is_older_than_its_bound(steps: list[tuple[str, object]]) -> None:
    world = World(IDS)
    last = 0
    asked_since_pass: list[str] = []
    for kind, value in steps:
        if kind == "end":
            world.end(str(value))
        elif kind == "pass":
            assert isinstance(value, float)
            world.now += value
            asked_since_pass = []
        elif kind == "drop":
            world.scan.drop()
        else:
            last = IDS.index(str(value)) if kind == "ask" else (last + 1) % len(IDS)
            task_id = IDS[last]
            payload, fresh = world.ask(task_id)
            if payload is None and task_id in world.written_at:
                assert world.now - world.written_at[task_id] <= UNENDED_SECONDS
            if fresh:
                assert payload == world.stored[task_id]
            if task_id in asked_since_pass[-1:]:
                assert fresh
            asked_since_pass.append(task_id)
            assert len(world.reads[-1]) <= 100


@given(st.lists(st.sampled_from(IDS), max_size=60))
def test_a_repeated_question_is_never_answered_from_memory(asks: list[str]) -> None:
    world = World(IDS)
    told_from: dict[str, int] = {}
    for task_id in asks:
        _, fresh = world.ask(task_id)
        read = len(world.reads)
        assert fresh or told_from.get(task_id) != read
        told_from[task_id] = read
