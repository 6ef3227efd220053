"""Order, filters and tokens of parked tasks."""

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from celery_aws.core.delay_plan import DELAY_SECONDS_OF_ANY_QUEUE, send_after
from celery_aws.core.messages import OutgoingMessage
from celery_aws.core.parked_tasks import (
    ParkedTask,
    Position,
    TaskFilter,
    by_hour,
    due_about,
    later,
    may_be_moving,
)
from celery_aws.core.schedule import FIFO, STANDARD, Lane, ScheduledTask, Shard, entry_key, shard_of
from celery_aws.core.scheduled_items import entry_items
from celery_aws.core.table_keys import SORT
from celery_aws.limits import SQS_DELAY_SECONDS_MAX
from celery_aws.names import AmqpQueue, QueueUrl

NOON = datetime(2026, 11, 22, 12, tzinfo=timezone.utc)

MOMENTS = st.datetimes(
    min_value=datetime(2026, 1, 1),  # noqa: DTZ001 - made aware by timezones
    max_value=datetime(9999, 12, 31, 23, 59, 59, 999999),  # noqa: DTZ001
    timezones=st.just(timezone.utc),
)

#: What a queue delays a message at most, by lane.
DELAYS = st.one_of(
    st.tuples(st.just(STANDARD), st.integers(DELAY_SECONDS_OF_ANY_QUEUE, SQS_DELAY_SECONDS_MAX)),
    st.just((FIFO, 0)),
)


def scheduled(
    due: datetime, *, delay_seconds: int = 900, task_id: str = "id", queue: str = "celery"
) -> ScheduledTask:
    return ScheduledTask(
        task_id=task_id,
        task="shop.mail",
        due=due,
        send_after=send_after(due, max_delay_seconds=delay_seconds),
        queue=AmqpQueue(queue),
        queue_url=QueueUrl(f"https://sqs/{queue}"),
        message=OutgoingMessage(body="{}"),
    )


def placed(task: ScheduledTask, lane: Lane) -> tuple[Position, ParkedTask, Shard]:
    shard = shard_of(task, lane, parked_before=0)
    entry = entry_items(task, entry_key(task, shard))[-1]
    return Position.of(shard, entry), ParkedTask.of(entry), shard


@given(MOMENTS, MOMENTS, st.sampled_from([(STANDARD, 900), (FIFO, 0)]), st.data())
def test_order_is_that_of_the_etas_in_both_lanes(
    first: datetime, second: datetime, of_first: tuple[Lane, int], data: st.DataObject
) -> None:
    of_second = data.draw(st.sampled_from([(STANDARD, 900), (FIFO, 0)]))
    positions = [
        placed(scheduled(due, delay_seconds=delay, queue="a.fifo" if not delay else "a"), lane)[0]
        for due, (lane, delay) in ((first, of_first), (second, of_second))
    ]
    assert (positions[0].leaves < positions[1].leaves) == (first < second)


@given(MOMENTS, DELAYS, st.text(max_size=20))
def test_a_place_survives_its_token(due: datetime, where: tuple[Lane, int], queue: str) -> None:
    lane, delay = where
    position, _, _ = placed(scheduled(due, delay_seconds=delay, queue=queue or "q"), lane)
    assert Position.of_token(position.token) == position
    assert position.token.replace("=", "").replace("-", "").replace("_", "").isalnum()


@given(MOMENTS, DELAYS)
def test_the_next_page_begins_at_the_entry_itself(due: datetime, where: tuple[Lane, int]) -> None:
    lane, delay = where
    task = scheduled(due, delay_seconds=delay)
    position, parked, _ = placed(task, lane)
    assert position.send_after(lane.name) == task.send_after
    assert position.sort_bound(lane.name) == parked.key[SORT]["S"]


@pytest.mark.parametrize("token", ["", "junk", "W10=", "WzEsMiwzLDRd", "ü", "bnVsbA=="])
def test_what_is_no_token_is_an_error(token: str) -> None:
    with pytest.raises(ValueError, match="no token"):
        Position.of_token(token)


@given(MOMENTS, DELAYS, st.timedeltas(timedelta(0), timedelta(days=1)))
def test_a_filter_by_eta_looks_wherever_such_a_task_may_be(
    due: datetime, where: tuple[Lane, int], around: timedelta
) -> None:
    lane, delay = where
    _, parked, _ = placed(scheduled(due, delay_seconds=delay), lane)
    wanted = TaskFilter(
        since=later(due, -around.total_seconds()), until=later(due, around.total_seconds() + 0.001)
    )
    if due < later(due, 0.001):
        assert wanted.wants(parked)
    first, last = wanted.first(lane.name), wanted.last(lane.name)
    assert first is not None
    assert last is not None
    assert first <= parked.send_after <= last


def test_filters() -> None:
    parked = placed(scheduled(NOON, queue="mail-priority-3"), STANDARD)[1]
    assert TaskFilter().wants(parked)
    assert TaskFilter(queue="mail").wants(parked)
    assert TaskFilter(queue="mail-priority-3", task="shop.mail").wants(parked)
    assert not TaskFilter(queue="mail-priority-6").wants(parked)
    assert not TaskFilter(task="shop.bill").wants(parked)
    assert TaskFilter(since=NOON).wants(parked)
    assert not TaskFilter(until=NOON).wants(parked)
    assert TaskFilter(task="x").is_selective
    assert not TaskFilter(since=NOON, until=NOON).is_selective


def test_an_eta_as_a_list_shows_it_means_the_whole_second() -> None:
    shown = NOON
    parked = placed(scheduled(NOON + timedelta(microseconds=999_999)), STANDARD)[1]
    assert due_about(shown).wants(parked)
    assert not due_about(shown).wants(placed(scheduled(NOON + timedelta(seconds=1)), STANDARD)[1])


def test_hours_are_those_of_the_etas() -> None:
    dues = [NOON, NOON + timedelta(minutes=59), NOON - timedelta(microseconds=1)]
    parked = [placed(scheduled(due), STANDARD)[1] for due in dues]
    assert list(by_hour(parked).items()) == [(NOON - timedelta(hours=1), 1), (NOON, 2)]


def test_a_moment_is_never_out_of_the_calendar() -> None:
    last = datetime.max.replace(tzinfo=timezone.utc)
    first = datetime.min.replace(tzinfo=timezone.utc)
    assert later(last, 900) == last
    assert later(first, -900) == first
    assert later(NOON, -1.5) == NOON - timedelta(seconds=1.5)


def test_who_may_be_sent_by_itself() -> None:
    assert may_be_moving(NOON, NOON)
    assert may_be_moving(NOON + timedelta(seconds=5), NOON)
    assert not may_be_moving(NOON + timedelta(minutes=2), NOON)
