from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from celery_aws.core.messages import OutgoingMessage
from celery_aws.core.outgoing_entries import Entry, Failure
from celery_aws.core.publish_batch import PublishBatchState, Request
from celery_aws.core.publish_retries import NO_RETRIES, PublishRetries
from celery_aws.core.retry_policy import RetryPolicy
from celery_aws.errors import ServiceFaultError, ThrottledError
from celery_aws.limits import SQS_BATCH_ENTRIES, SQS_MESSAGE_BYTES

THROTTLED = ThrottledError("slower")
BROKEN = ServiceFaultError("broken")
RETRIES = PublishRetries(policy=RetryPolicy(max_retries=1, start_seconds=1.0))


def state(retries: PublishRetries = RETRIES) -> PublishBatchState[str]:
    return PublishBatchState(retries, lambda: 1.0)


def entry(task_id: str, size_bytes: int = 100, group: str | None = None) -> Entry:
    message = OutgoingMessage(body=task_id, message_group_id=group)
    return Entry(task_id=task_id, message=message, size_bytes=size_bytes, added_at=0.0)


def add(state: PublishBatchState[str], *ids: str, lane: str = "mail", fifo: bool = False) -> None:
    for task_id in ids:
        state.add(lane, entry(task_id, group=task_id[0]), fifo=fifo)


def take(state: PublishBatchState[str], now: float = 0.0, *, partial: bool = True) -> list[str]:
    request = state.take(now, partial=partial)
    return [] if request is None else [each.task_id for each in request.entries]


def request(state: PublishBatchState[str], now: float = 0.0) -> Request[str]:
    taken = state.take(now, partial=True)
    assert taken is not None
    return taken


def again(*, maybe_sent: bool = False) -> Failure:
    return Failure(error=THROTTLED, again=True, maybe_sent=maybe_sent)


def test_ten_of_a_queue_go_together_while_others_are_collected() -> None:
    batch = state()
    ids = [f"a{number}" for number in range(12)]
    full = [batch.add("mail", entry(each), fifo=False) for each in ids]
    assert full == [number == SQS_BATCH_ENTRIES - 1 for number in range(12)]
    assert take(batch, partial=False) == ids[:10]
    assert take(batch, partial=False) == []
    assert take(batch) == ids[10:]


def test_a_request_has_no_more_than_its_bytes() -> None:
    batch = state()
    half = SQS_MESSAGE_BYTES // 2
    for task_id, size_bytes in [("a", half), ("b", half), ("c", 1), ("d", SQS_MESSAGE_BYTES + 1)]:
        batch.add("mail", entry(task_id, size_bytes), fifo=False)
    assert [take(batch), take(batch), take(batch)] == [["a", "b"], ["c"], ["d"]]


def test_queues_do_not_wait_for_each_other() -> None:
    batch = state()
    add(batch, "a", lane="mail")
    add(batch, "b", lane="report")
    batch.fail(request(batch), THROTTLED, 0.0, maybe_sent=False, rest_seconds=5.0)
    assert take(batch) == ["b"]
    assert take(batch) == []
    assert batch.rest_seconds(0.0, partial=True) == 5.0
    assert take(batch, now=5.0) == ["a"]


def test_a_queue_that_always_has_more_takes_no_other_queues_turn() -> None:
    batch = state()
    add(batch, *(f"a{number}" for number in range(40)), lane="mail")
    add(batch, *(f"b{number}" for number in range(10)), lane="report")
    assert [take(batch, partial=False)[0] for _ in range(3)] == ["a0", "b0", "a10"]


def test_a_queue_that_fails_is_asked_once_at_a_time_until_it_answers() -> None:
    batch = state()
    add(batch, *[f"a{number}" for number in range(30)])
    first, second = request(batch), request(batch)
    batch.fail(first, THROTTLED, 0.0, maybe_sent=False, rest_seconds=0.0)
    assert take(batch) == []
    batch.settle(second, [None] * 10, 0.0)
    assert batch.ready(0.0, partial=True) == 2
    assert len(take(batch)) == 10
    assert len(take(batch)) == 10


def test_a_refused_entry_takes_no_other_with_it() -> None:
    batch = state()
    add(batch, "a", "b", "c")
    wrong = Failure(error=THROTTLED, again=False, maybe_sent=False)
    batch.settle(request(batch), [None, wrong, None], 0.0)
    outcome = batch.outcome()
    assert list(outcome.sent) == ["a", "c"]
    assert outcome.not_sent == ["b"]
    assert outcome.errors == {"b": THROTTLED}
    assert [(lane, each.task_id) for lane, each in batch.given_up()] == [("mail", "b")]
    assert batch.pending == batch.pending_bytes == 0


def test_an_entry_is_tried_as_often_as_the_policy_has_it() -> None:
    batch = state(NO_RETRIES)
    add(batch, "a")
    for now in (0.0, 10.0, 20.0):
        batch.settle(request(batch, now), [again(maybe_sent=now == 0.0)], now)
    outcome = batch.outcome()
    assert (list(outcome.sent), outcome.not_sent, outcome.unknown) == ([], [], ["a"])
    assert list(batch.given_up()) == []


def test_where_nothing_helps_nothing_more_is_tried() -> None:
    batch = state(NO_RETRIES)
    add(batch, *[f"a{number}" for number in range(11)])
    for now in (0.0, 10.0, 20.0):
        batch.fail(request(batch, now), BROKEN, now, maybe_sent=now == 10.0)
    add(batch, "late")
    assert take(batch, now=99.0) == []
    outcome = batch.outcome()
    assert outcome.unknown == [f"a{number}" for number in range(10)]
    assert outcome.not_sent == ["a10", "late"]

    add(batch, "after")
    assert take(batch, now=99.0) == ["after"]


def test_a_refused_request_closes_its_queue() -> None:
    batch = state()
    add(batch, "a")
    batch.close(request(batch), THROTTLED, maybe_sent=False)
    assert batch.outcome().not_sent == ["a"]


def test_what_is_discarded_was_never_published() -> None:
    batch = state()
    add(batch, "a")
    batch.discard()
    assert batch.pending == 0
    assert take(batch) == []
    assert batch.outcome().errors == {}


def test_one_message_of_a_group_is_in_a_request_to_a_fifo_queue() -> None:
    batch = state()
    add(batch, "a1", "a2", "b1", "a3", "c1", fifo=True)
    first = request(batch)
    assert [each.task_id for each in first.entries] == ["a1", "b1", "c1"]
    assert take(batch) == []
    batch.settle(first, [again(), None, None], 0.0)
    assert take(batch, now=9.0) == ["a1"]


def test_nothing_of_a_group_overtakes_one_that_did_not_go() -> None:
    batch = state(NO_RETRIES)
    add(batch, "a1", "a2", "b1", fifo=True)
    for now in (0.0, 10.0, 20.0):
        taken = request(batch, now)
        batch.settle(taken, [again(), None][: len(taken.entries)], now)
    add(batch, "a3", "b2", fifo=True)
    assert take(batch, now=30.0) == ["b2"]
    outcome = batch.outcome()
    assert outcome.not_sent == ["a1", "a2", "a3"]
    assert list(outcome.sent) == ["b1"]


@dataclass
class World:
    """SQS: which messages it has accepted, in order."""

    fifo: bool
    accepted: list[str] = field(default_factory=list)
    under_way: list[Request[str]] = field(default_factory=list)
    now: float = 0.0

    def answer(self, batch: PublishBatchState[str], asked: Request[str], how: str) -> None:
        entries, ids = asked.entries, [each.task_id for each in asked.entries]
        answers: dict[str, Callable[[], None]] = {
            "all": lambda: self.settle(batch, asked, [None] * len(ids)),
            "some fail": lambda: self.settle(
                batch, asked, [again() if number % 2 else None for number in range(len(ids))]
            ),
            "one is wrong": lambda: self.settle(
                batch,
                asked,
                [Failure(error=THROTTLED, again=False, maybe_sent=False), *[None] * len(ids)][
                    : len(ids)
                ],
            ),
            "throttled": lambda: batch.fail(asked, THROTTLED, self.now, maybe_sent=False),
            "lost, accepted": lambda: batch.fail(asked, BROKEN, self.now, maybe_sent=True),
            "lost": lambda: batch.fail(asked, BROKEN, self.now, maybe_sent=True),
            "no queue": lambda: batch.fail(
                asked, THROTTLED, self.now, maybe_sent=False, rest_seconds=0.5
            ),
            "denied": lambda: batch.close(asked, THROTTLED, maybe_sent=False),
        }
        if how == "lost, accepted":
            self.accepted += ids
        assert entries
        answers[how]()

    def settle(
        self, batch: PublishBatchState[str], asked: Request[str], failures: list[Failure | None]
    ) -> None:
        accepted = zip(asked.entries, failures, strict=True)
        self.accepted += [each.task_id for each, failure in accepted if failure is None]
        batch.settle(asked, failures, self.now)

    def take(self, batch: PublishBatchState[str]) -> bool:
        """Let a request begin, or time pass; False if there is nothing to wait for."""
        asked = batch.take(self.now, partial=True)
        if asked is None:
            rest_seconds = batch.rest_seconds(self.now, partial=True)
            self.now += rest_seconds or 0.0
            return rest_seconds is not None
        self.under_way.append(asked)
        assert len(asked.entries) <= SQS_BATCH_ENTRIES
        if self.fifo:
            assert len(self.under_way) == 1
            groups = [each.message.message_group_id for each in asked.entries]
            assert len(set(groups)) == len(groups)
        return True

    def play(self, batch: PublishBatchState[str], steps: list[str]) -> list[str]:
        """Do as the steps say, end well, and return the ids of what was published."""
        published: list[str] = []
        for step in steps:
            if step in "abc":
                published.append(f"{step}{len(published)}")
                add(batch, published[-1], fifo=self.fifo)
            elif step == "take":
                self.take(batch)
            elif self.under_way:
                self.answer(batch, self.under_way.pop(0), step)
        while self.under_way or self.take(batch):
            if self.under_way:
                self.answer(batch, self.under_way.pop(), "all")
        return published


ANSWERS = [
    "all",
    "all",
    "some fail",
    "one is wrong",
    "throttled",
    "lost, accepted",
    "lost",
    "no queue",
    "denied",
]
STEPS = st.lists(st.one_of(st.sampled_from("abc"), st.sampled_from(["take", *ANSWERS])))


@settings(max_examples=300)
@given(steps=STEPS, fifo=st.booleans(), tries=st.sampled_from([0, 1, 3]))
def test_every_message_ends_in_one_place_and_groups_keep_their_order(
    steps: list[str], fifo: bool, tries: int
) -> None:
    retries = PublishRetries(policy=RetryPolicy(max_retries=tries, start_seconds=0.1))
    batch, world = state(retries), World(fifo=fifo)
    published = world.play(batch, steps)

    outcome = batch.outcome()
    assert batch.pending == batch.pending_bytes == 0
    assert Counter([*outcome.sent, *outcome.not_sent, *outcome.unknown]) == Counter(published)
    assert set(outcome.errors) == {*outcome.not_sent, *outcome.unknown}
    assert set(outcome.sent) <= set(world.accepted)
    assert not set(outcome.not_sent) & set(world.accepted)
    if fifo:
        assert_in_order(world.accepted, published)


def assert_in_order(accepted: list[str], published: list[str]) -> None:
    by_group: dict[str, list[int]] = defaultdict(list)
    for task_id in dict.fromkeys(accepted):
        by_group[task_id[0]].append(published.index(task_id))
    assert all(places == sorted(places) for places in by_group.values())


@pytest.mark.parametrize("count", [1, 999, 1_000, 2_500])
def test_many_ids_are_kept(count: int) -> None:
    batch = state()
    ids = [f"a{number}" for number in range(count)]
    add(batch, *ids)
    while (asked := batch.take(0.0, partial=True)) is not None:
        batch.settle(asked, [None] * len(asked.entries), 0.0)
    assert list(batch.outcome().sent) == ids


def test_what_waits_for_too_long_goes_without_company() -> None:
    found = state()
    add(found, "a1", "a2")
    assert found.take(1.0, partial=False, overdue_since=-0.1) is None
    taken = found.take(1.0, partial=False, overdue_since=0.0)
    assert taken is not None
    assert [each.task_id for each in taken.entries] == ["a1", "a2"]
