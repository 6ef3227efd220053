"""The schedule, as AWS keeps it: what is parked is found, read, removed, and found no more."""

import base64
import random
import threading
from datetime import datetime, timedelta, timezone

import pytest

from celery_aws.aws.dynamodb import TableService
from celery_aws.core.messages import OutgoingMessage
from celery_aws.core.parked_messages import mark_parked
from celery_aws.core.schedule import FIFO, STANDARD, ScheduledTask
from celery_aws.errors import TableNotFoundError
from celery_aws.names import AmqpQueue, QueueUrl
from celery_aws.table.coordination import CoordinationTable
from celery_aws.table.leases import LeaderLease
from celery_aws.table.revocations import Revocations
from celery_aws.table.schedule import Marker, Schedule
from tests.contract.table.conftest import new_table

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=timezone.utc)
NOISE = base64.b64encode(random.Random(4).randbytes(700_000)).decode()


def task(name: str, send_after: datetime = NOON, *, body: str = "{}") -> ScheduledTask:
    message = OutgoingMessage(
        body=body,
        message_group_id="g",
        message_attributes={"trace": {"DataType": "Binary", "BinaryValue": b"\x00\xff"}},
    )
    return ScheduledTask(
        task_id=name,
        task="shop.mail",
        due=send_after + timedelta(seconds=900),
        send_after=send_after,
        queue=AmqpQueue("celery"),
        queue_url=QueueUrl("https://sqs.eu-west-1.amazonaws.com/1/celery"),
        message=mark_parked(message, name),
    )


@pytest.fixture
def schedule(table: CoordinationTable) -> Schedule:
    return Schedule(table)


def found(schedule: Schedule, *, until: datetime | None = None) -> list[ScheduledTask | None]:
    return [
        schedule.task_of(entry)
        for marker in schedule.markers(STANDARD, until=until)
        for page in schedule.entries(marker.shard, until=until)
        for entry in page
    ]


def only_marker(schedule: Schedule) -> Marker:
    (marker,) = schedule.markers(STANDARD)
    return marker


def test_nothing_is_found_in_a_table_that_nobody_has_made(
    schedule: Schedule, table: CoordinationTable
) -> None:
    assert schedule.markers(STANDARD) == []
    assert found(schedule) == []
    with pytest.raises(TableNotFoundError):
        table.service.describe_table(table.name)


def test_the_first_task_makes_the_table(schedule: Schedule, table: CoordinationTable) -> None:
    schedule.park(task("1"), STANDARD)

    assert found(schedule) == [task("1")]
    assert table.service.describe_ttl(table.name).attribute == "ttl"


def test_a_table_that_may_not_be_made_is_an_error_that_says_what_to_do(
    service: TableService,
) -> None:
    schedule = Schedule(new_table(service, creates=False))

    with pytest.raises(TableNotFoundError, match="create-table"):
        schedule.park(task("1"), STANDARD)
    with pytest.raises(TableNotFoundError):
        schedule.markers(STANDARD)


def test_several_processes_make_it_together(table: CoordinationTable) -> None:
    together = threading.Barrier(4)

    def park(name: str) -> None:
        together.wait(10)
        Schedule(table).park(task(name), STANDARD)

    threads = [threading.Thread(target=park, args=[f"{number}"]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {each.task_id for each in found(Schedule(table)) if each} == set("0123")


def test_tasks_are_found_when_they_may_go_and_not_before(schedule: Schedule) -> None:
    for minutes in (-400, 0, 4, 5, 400):
        schedule.park(task(f"{minutes}", NOON + timedelta(minutes=minutes)), STANDARD)

    def names(until: datetime | None) -> list[str]:
        return [each.task_id for each in found(schedule, until=until) if each]

    assert sorted(names(NOON)) == ["-400", "0"]
    assert sorted(names(NOON - timedelta(microseconds=1))) == ["-400"]
    assert sorted(names(NOON + timedelta(minutes=5))) == ["-400", "0", "4", "5"]
    assert len(names(None)) == 5


def test_lanes_are_apart(schedule: Schedule) -> None:
    schedule.park(task("1"), FIFO)

    assert schedule.markers(STANDARD) == []
    assert len(schedule.markers(FIFO)) == 1


def test_a_shards_tasks_come_by_their_time(schedule: Schedule) -> None:
    seconds = list(range(100))
    random.Random(4).shuffle(seconds)
    for number in seconds:
        schedule.park(task(f"{number}", NOON + timedelta(seconds=number)), STANDARD)

    for marker in schedule.markers(STANDARD):
        (page,) = schedule.entries(marker.shard)
        times = [entry["sk"]["S"] for entry in page]
        assert times == sorted(times)


def test_a_large_task_is_kept_in_parts_and_leaves_nothing(schedule: Schedule) -> None:
    large = task("large", body=NOISE)
    schedule.park(large, STANDARD)
    marker = only_marker(schedule)
    assert found(schedule) == [large]

    ((entry,),) = schedule.entries(marker.shard)
    schedule.remove([entry])

    assert schedule.is_empty(marker.shard)
    assert schedule.task_of(entry) is None


def test_what_is_removed_is_gone(schedule: Schedule) -> None:
    for number in range(15):
        schedule.park(task("same", NOON + timedelta(seconds=number)), STANDARD)
    marker = only_marker(schedule)
    (page,) = schedule.entries(marker.shard)
    assert schedule.count(marker.shard) == 15
    assert not schedule.is_empty(marker.shard)

    schedule.remove(page)
    schedule.remove(page[:3])

    assert schedule.is_empty(marker.shard)


@pytest.mark.parametrize("body", ["{}", NOISE], ids=["small", "large"])
def test_an_entry_is_taken_once(schedule: Schedule, body: str) -> None:
    schedule.park(task("1", body=body), STANDARD)
    ((entry,),) = schedule.entries(only_marker(schedule).shard)

    assert [schedule.take(entry), schedule.take(entry)] == [True, False]
    assert schedule.task_of(entry) is None or body == "{}"


def test_a_summary_has_no_message(schedule: Schedule) -> None:
    schedule.park(task("1"), STANDARD)
    ((entry,),) = schedule.entries(only_marker(schedule).shard, summary=True)

    assert set(entry) == {"pk", "sk", "task_id", "task", "due", "queue", "queue_url"}


def test_a_marker_is_deleted_only_if_nobody_has_written_it_again(
    schedule: Schedule, table: CoordinationTable
) -> None:
    schedule.park(task("1"), STANDARD)
    seen = only_marker(schedule)
    Schedule(table).park(task("1"), STANDARD)  # another process

    schedule.unmark(seen)
    assert len(schedule.markers(STANDARD)) == 1

    schedule.unmark(only_marker(schedule))
    schedule.unmark(seen)
    assert schedule.markers(STANDARD) == []


def test_one_leads(table: CoordinationTable) -> None:
    first, second = (
        LeaderLease(table, "mover", owner=name, duration_seconds=30, renew_seconds=0)
        for name in ("first", "second")
    )
    assert not first.contend()  # there is no table
    table.ensure()

    assert [first.contend(), second.contend(), first.contend()] == [True, False, True]
    first.release()
    assert second.contend()
    assert not second.taken_over
    assert not first.keep()


def test_revocations_are_known_to_everybody(table: CoordinationTable) -> None:
    assert not Revocations(table=table).add(["1"])
    table.ensure()
    assert Revocations(table=table).add(["1", "é" * 2_000])

    assert Revocations(table=table).among(["1", "2", "é" * 2_000]) == {"1", "é" * 2_000}
