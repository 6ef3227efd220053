"""Lists, counts and searches of what is parked; and how much of the table they read."""

import logging
from collections.abc import Iterator, Sequence
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from celery_aws.core.attributes import text
from celery_aws.core.parked_tasks import Position, TaskFilter, due_about
from celery_aws.core.schedule import Shard
from celery_aws.core.scheduled_items import DUE
from celery_aws.core.table_keys import key_of
from celery_aws.schedule.queries import ScheduleQueries
from celery_aws.table.schedule import Schedule
from tests.unit.schedule.parking import TABLE, ParkingLot

HOUR = 3_600.0


@pytest.fixture
def lot() -> ParkingLot:
    return ParkingLot()


def all_ids(lot: ParkingLot, *, limit: int, wanted: TaskFilter | None = None) -> list[str]:
    """Go through all pages, each by the token of the one before."""
    ids: list[str] = []
    after: Position | None = None
    while True:
        page = ScheduleQueries(lot.schedule).page(wanted or TaskFilter(), limit=limit, after=after)
        ids += [task.task_id for task in page.tasks]
        if page.after is None:
            return ids
        assert len(page.tasks) == limit
        after = Position.of_token(page.after.token)


def test_pages_have_every_task_once_by_its_time(lot: ParkingLot) -> None:
    random = Random(4)
    ids = lot.park_many(random.uniform(901, 5 * HOUR) for _ in range(120))
    assert all_ids(lot, limit=50) == ids
    assert all_ids(lot, limit=1) == ids
    assert all_ids(lot, limit=1_000) == ids


def test_tasks_for_one_moment_are_paged_too(lot: ParkingLot) -> None:
    ids = lot.park_many([HOUR] * 100)
    paged = all_ids(lot, limit=7)
    assert sorted(paged) == sorted(ids)


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(st.integers(901, 4_000), st.sampled_from(["celery", "orders.fifo"])), max_size=40
    ),
    st.integers(1, 9),
)
def test_both_lanes_are_one_list(tasks: list[tuple[int, str]], limit: int) -> None:
    lot = ParkingLot()
    for number, (seconds, queue) in enumerate(tasks):
        lot.park(f"task-{number}", seconds, queue=queue)
    paged = all_ids(lot, limit=limit)
    assert len(paged) == len(set(paged)) == len(tasks)
    times = [tasks[int(task_id.removeprefix("task-"))][0] for task_id in paged]
    assert times == sorted(times)


def test_a_page_reads_no_more_than_it_needs(lot: ParkingLot) -> None:
    # A day, and in each of its hours two buckets of up to 16 shards.
    for hour in range(24):
        for number in range(50):
            lot.park(f"task-{hour}-{number}", HOUR * (1 + hour) + number)
    lot.service.requests.clear()
    page = ScheduleQueries(lot.schedule).page(limit=50)
    assert [task.task_id for task in page.tasks] == [f"task-0-{number}" for number in range(50)]
    # Of two lanes the markers; then the shards of two buckets at most.
    assert lot.service.requests["Query"] <= 2 + 2 * 20
    assert sum(lot.service.requests.values()) == lot.service.requests["Query"]


def test_a_short_page_reads_little_of_a_long_shard(lot: ParkingLot) -> None:
    lot.park_many(HOUR + number / 100 for number in range(2_000))
    lot.service.read_units = 0
    assert len(ScheduleQueries(lot.schedule).page(limit=2).tasks) == 2
    short = lot.service.read_units
    lot.service.read_units = 0
    ScheduleQueries(lot.schedule).hours()
    assert short < lot.service.read_units / 2


def test_a_page_that_ends_behind_the_other_lane_goes_on(lot: ParkingLot) -> None:
    for task_id in ("a", "b"):
        lot.park(f"short-{task_id}", HOUR, queue="short", delay_seconds=30)
    lot.park("order", HOUR, queue="orders.fifo")
    wanted = TaskFilter(until=lot.at(HOUR + 1))
    assert all_ids(lot, limit=1, wanted=wanted) == ["order", "short-a", "short-b"]


def test_a_page_far_down_reads_nothing_before_it(lot: ParkingLot) -> None:
    lot.park_many(HOUR + number for number in range(200))
    first = ScheduleQueries(lot.schedule).page(limit=190)
    lot.service.read_units = 0
    second = ScheduleQueries(lot.schedule).page(limit=10, after=first.after)
    assert len(second.tasks) == 10
    assert second.after is None
    few = lot.service.read_units
    lot.service.read_units = 0
    ScheduleQueries(lot.schedule).page(limit=200)
    assert few < lot.service.read_units / 2


def test_filters_find_all_that_they_name(lot: ParkingLot) -> None:
    lot.park("mail", HOUR)
    lot.park("bill", HOUR + 1, task="shop.bill")
    lot.park("urgent", HOUR + 2, queue="celery-priority-3")
    lot.park("order", HOUR + 3, queue="orders.fifo")
    lot.park("short", HOUR + 4, queue="short", delay_seconds=30)
    for wanted, ids in [
        (TaskFilter(task="shop.bill"), ["bill"]),
        (TaskFilter(queue="celery"), ["mail", "bill", "urgent"]),
        (TaskFilter(queue="orders.fifo"), ["order"]),
        (TaskFilter(since=lot.at(HOUR + 2)), ["urgent", "order", "short"]),
        (TaskFilter(until=lot.at(HOUR + 2)), ["mail", "bill"]),
        (TaskFilter(since=lot.at(HOUR + 4), until=lot.at(HOUR + 5)), ["short"]),
        (TaskFilter(since=lot.at(2 * HOUR)), []),
    ]:
        assert all_ids(lot, limit=2, wanted=wanted) == ids


def test_a_filter_by_time_does_not_read_other_buckets(lot: ParkingLot) -> None:
    for hour in range(1, 100):
        lot.park(f"task-{hour}", HOUR * hour)
    lot.service.requests.clear()
    wanted = TaskFilter(since=lot.at(50 * HOUR), until=lot.at(50 * HOUR + 1))
    page = ScheduleQueries(lot.schedule).page(wanted, limit=10)
    assert [task.task_id for task in page.tasks] == ["task-50"]
    assert lot.service.requests["Query"] <= 2 + 2


def test_counts_by_hour(lot: ParkingLot) -> None:
    # The clock shows 15:09:26.
    lot.park_many([HOUR, HOUR + 1, 2 * HOUR])
    lot.park("order", HOUR, queue="orders.fifo")
    hours = ScheduleQueries(lot.schedule).hours()
    assert {hour.hour: count for hour, count in hours.items()} == {16: 3, 17: 1}
    fifo = ScheduleQueries(lot.schedule).hours(TaskFilter(queue="orders.fifo"))
    assert list(fifo.values()) == [1]


def test_a_sharp_hour_on_a_fifo_queue_is_its_own_hour(lot: ParkingLot) -> None:
    sharp = 5 * HOUR - (lot.clock.now().timestamp() % HOUR)
    lot.park("order", sharp, queue="orders.fifo")
    lot.park("mail", sharp)
    assert {hour.hour: n for hour, n in ScheduleQueries(lot.schedule).hours().items()} == {20: 2}


def test_a_task_is_found_by_its_id_whoever_parked_it(lot: ParkingLot) -> None:
    lot.park_many(HOUR + number for number in range(300))
    busy = lot.park("wanted", HOUR + 7)  # by a process that uses 64 shards by now
    fresh = lot.park("wanted", 3 * HOUR, queue="other", schedule=Schedule(lot.table))
    order = lot.park("wanted", 2 * HOUR, queue="orders.fifo")
    found = ScheduleQueries(lot.schedule).find(["wanted", "unknown"])
    assert [task.due for task in found] == [busy.due, order.due, fresh.due]


def test_a_search_reads_three_shards_of_a_bucket_and_with_an_eta_no_other_bucket(
    lot: ParkingLot,
) -> None:
    for hour in range(1, 11):
        # One bucket: its shards are 64 by then.
        for number in range(300):
            lot.park(f"task-{hour}-{number}", HOUR * hour + 60)
    lot.service.requests.clear()
    queries = ScheduleQueries(lot.schedule)
    assert len(queries.find(["task-5-299"])) == 1
    assert lot.service.requests["Query"] <= 2 + 10 * 3
    lot.service.requests.clear()
    assert len(queries.find(["task-5-299"], due_about(lot.at(HOUR * 5 + 60)))) == 1
    assert lot.service.requests["Query"] <= 2 + 3
    assert queries.find(["task-5-299"], due_about(lot.at(HOUR * 6))) == []


def test_progress_sees_every_shard(lot: ParkingLot) -> None:
    lot.park_many([HOUR, 2 * HOUR])
    seen: list[Shard] = []

    def progress(shards: Sequence[Shard]) -> Iterator[Shard]:
        for shard in shards:
            seen.append(shard)
            yield shard

    ScheduleQueries(lot.schedule).hours(progress=progress)
    assert len(seen) == 2


@pytest.mark.parametrize("creates", [True, False])
def test_where_there_is_no_table_nothing_is_parked(creates: bool) -> None:
    queries = ScheduleQueries(ParkingLot(creates=creates).schedule)
    page = queries.page(limit=1)
    assert (page.tasks, page.after) == ([], None)
    assert queries.hours() == {}
    assert queries.find(["any"]) == []


def test_what_is_no_marker_or_no_entry_hides_nothing(lot: ParkingLot) -> None:
    lot.park("good", HOUR)
    (marker,) = (item for item in lot.service.items(TABLE) if "token" in item)
    (entry,) = (item for item in lot.service.items(TABLE) if "due" in item)
    lot.service.put_item(TABLE, {**marker, "sk": text(f"{marker['sk']['S']}x")})
    lot.service.put_item(TABLE, {**entry, "sk": text("2026")})
    queries = ScheduleQueries(lot.schedule)
    assert [task.task_id for task in queries.page(limit=9).tasks] == ["good"]
    assert sum(queries.hours().values()) == 1


def test_what_cannot_be_read_is_left_out_with_a_word(
    lot: ParkingLot, caplog: pytest.LogCaptureFixture
) -> None:
    lot.park("good", HOUR)
    lot.park("bad", HOUR + 1)
    for item in lot.service.items(TABLE):
        if item.get("task_id") == text("bad"):
            lot.service.put_item(TABLE, {**item, DUE: text("one day")})
            broken = key_of(item)
    with caplog.at_level(logging.WARNING):
        page = ScheduleQueries(lot.schedule).page(limit=5)
    assert [task.task_id for task in page.tasks] == ["good"]
    assert broken["sk"]["S"] in caplog.text
