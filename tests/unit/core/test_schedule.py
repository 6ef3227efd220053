from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from celery_aws.core.attributes import text
from celery_aws.core.schedule import (
    BUCKET_SECONDS,
    FIFO,
    LANES,
    STANDARD,
    Lane,
    ScheduledTask,
    Shard,
    bucket_of,
    bucket_start,
    entry_bound,
    entry_key,
    late_bound,
    marker_bound,
    shard_of,
    text_time,
    time_text,
)
from celery_aws.core.table_keys import SORT
from celery_aws.names import AmqpQueue
from tests.unit.core.scheduling import MOMENTS, TASK_IDS, TASKS, task

COUNTS = st.integers(0, 100_000)

#: AWS's own ("Quotas in Amazon DynamoDB").
SORT_KEY_BYTES = 1_024
PARTITION_KEY_BYTES = 2_048


@given(MOMENTS)
def test_a_time_is_what_its_text_says(moment: datetime) -> None:
    assert text_time(time_text(moment)) == moment


@given(MOMENTS, MOMENTS)
def test_texts_sort_by_time(one: datetime, other: datetime) -> None:
    assert (time_text(one) < time_text(other)) == (one < other)
    assert (bucket_of(one) < bucket_of(other)) == (
        bucket_start(bucket_of(one)) < bucket_start(bucket_of(other))
    )


@given(MOMENTS)
def test_a_moment_is_in_its_bucket(moment: datetime) -> None:
    start = bucket_start(bucket_of(moment))

    assert start <= moment
    assert moment - start < timedelta(seconds=BUCKET_SECONDS)
    assert bucket_of(start) == bucket_of(moment)


def test_texts_are_read_by_people_too() -> None:
    moment = datetime(2026, 11, 22, 22, 34, 5, 60_708, tzinfo=timezone.utc)

    assert time_text(moment) == "2026-11-22T22:34:05.060708Z"
    assert bucket_of(moment) == "2026-11-22T22:30Z"


@pytest.mark.parametrize("year", [1, 987, 9999])
def test_years_have_four_digits(year: int) -> None:
    moment = datetime(year, 6, 1, tzinfo=timezone.utc)

    assert time_text(moment).startswith(f"{year:04}-06-01T")
    assert text_time(time_text(moment)) == bucket_start(bucket_of(moment)) == moment


@pytest.mark.parametrize("written", ["", "2026-11-22", "2026-11-22T22:34:05Z", "noon"])
def test_what_is_no_time_is_an_error(written: str) -> None:
    with pytest.raises(ValueError, match=r"does not match|unconverted"):
        text_time(written)


@given(TASKS, COUNTS, st.sampled_from(LANES))
def test_a_marker_leads_to_its_shard(
    scheduled: ScheduledTask, parked_before: int, lane: Lane
) -> None:
    shard = shard_of(scheduled, lane, parked_before=parked_before)

    assert Shard.of_marker(lane.name, shard.marker_key) == shard


@pytest.mark.parametrize("sort", ["", "2026-11-22T22:30Z", "2026-11-22T22:30Z#", "noon#01"])
def test_what_is_no_marker_is_an_error(sort: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Shard.of_marker("standard", {SORT: text(sort)})


@given(TASKS, MOMENTS)
def test_bounds_are_exact(scheduled: ScheduledTask, moment: datetime) -> None:
    shard = shard_of(scheduled, STANDARD, parked_before=0)
    sort = entry_key(scheduled, shard)[SORT]["S"]

    assert (sort <= entry_bound(moment)) == (scheduled.send_after <= moment)
    begun = bucket_start(bucket_of(scheduled.send_after)) <= moment
    assert (shard.marker_key[SORT]["S"] <= marker_bound(moment)) == begun


@given(TASKS)
def test_a_task_may_go_at_the_very_moment(scheduled: ScheduledTask) -> None:
    shard = shard_of(scheduled, STANDARD, parked_before=0)
    sort = entry_key(scheduled, shard)[SORT]["S"]

    assert sort <= entry_bound(scheduled.send_after)
    assert sort > entry_bound(scheduled.send_after - timedelta(microseconds=1))
    assert not sort < late_bound(scheduled.send_after + timedelta(seconds=300))
    assert sort < late_bound(scheduled.send_after + timedelta(seconds=301))


@given(TASKS, TASKS, COUNTS, COUNTS)
def test_entries_of_a_shard_sort_by_time(
    one: ScheduledTask, other: ScheduledTask, before: int, then: int
) -> None:
    keys = [
        entry_key(each, shard_of(each, STANDARD, parked_before=count))[SORT]["S"]
        for each, count in ((one, before), (other, then))
    ]

    if one.send_after != other.send_after:
        assert (keys[0] < keys[1]) == (one.send_after < other.send_after)


@given(TASKS, COUNTS)
def test_a_publish_that_is_repeated_has_the_same_key(scheduled: ScheduledTask, count: int) -> None:
    again = replace(scheduled)
    shard = shard_of(scheduled, STANDARD, parked_before=count)

    assert shard_of(again, STANDARD, parked_before=count) == shard
    assert entry_key(again, shard) == entry_key(scheduled, shard)


@given(TASKS, TASKS)
def test_other_tasks_have_other_keys(one: ScheduledTask, other: ScheduledTask) -> None:
    shard = shard_of(one, STANDARD, parked_before=0)
    same = (one.task_id, one.send_after, one.queue) == (
        other.task_id,
        other.send_after,
        other.queue,
    )

    assert (entry_key(one, shard) == entry_key(other, shard)) == same


def test_a_retry_into_another_queue_is_another_entry() -> None:
    shard = shard_of(task(), STANDARD, parked_before=0)

    assert entry_key(task(), shard) != entry_key(replace(task(), queue=AmqpQueue("slow")), shard)


@given(TASK_IDS)
def test_keys_are_short_enough(task_id: str) -> None:
    scheduled = replace(task(), task_id=task_id, queue=AmqpQueue("q" * 255))
    shard = shard_of(scheduled, STANDARD, parked_before=1_000)
    key = entry_key(scheduled, shard)

    assert len(key[SORT]["S"].encode()) <= SORT_KEY_BYTES
    assert len(f"part#{shard.partition}#{key[SORT]['S']}".encode()) <= PARTITION_KEY_BYTES


@pytest.mark.parametrize(
    ("lane", "parked_before", "width"),
    [
        (STANDARD, 0, 4),
        (STANDARD, 15, 4),
        (STANDARD, 16, 16),
        (STANDARD, 999, 16),
        (STANDARD, 1_000, 64),
        (FIFO, 0, 1),
        (FIFO, 15, 1),
        (FIFO, 16, 4),
        (FIFO, 100_000, 4),
    ],
)
def test_many_tasks_are_spread_over_more_shards(lane: Lane, parked_before: int, width: int) -> None:
    counts = Counter(
        shard_of(task(f"task-{number}"), lane, parked_before=parked_before).number
        for number in range(6_400)
    )

    assert set(counts) == set(range(width))
    assert max(counts.values()) < 1.5 * 6_400 / width


def test_lanes_hold_their_promises() -> None:
    for lane in LANES:
        # A leader renews its lease within the part of it for which it acts, also after a failure.
        assert lane.renew_seconds < lane.lease_seconds * 0.8 / 2 + 5
    # A task of a FIFO queue is read before it is due, whenever the last turn was.
    assert FIFO.lookahead_seconds > FIFO.period_seconds
    # Nobody notices if a leader dies: its successor moves what is due before it is late.
    assert STANDARD.lease_seconds + STANDARD.renew_seconds + STANDARD.period_seconds < 300
