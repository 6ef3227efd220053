"""SQS as the broker that is left: its queues, its priorities and its schedule."""

import json
import random
from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from celery_aws.broker.coordination import Coordination
from celery_aws.core.messages import OutgoingMessage
from celery_aws.core.migration_marks import MigrationMark, mark_migrated
from celery_aws.core.scheduled_items import CLAIMED
from celery_aws.errors import BrokerLostError, ServiceFaultError, UnreachableError
from celery_aws.migrate import sqs_source
from celery_aws.migrate.messages import Carried, Unreadable
from celery_aws.migrate.sides import Claim
from celery_aws.migrate.sqs_inventory import sqs_inventory
from celery_aws.migrate.sqs_source import SqsSource
from celery_aws.migrate.sqs_target import SqsTarget, key_of_mark
from celery_aws.names import AmqpQueue, QueueName
from celery_aws.testing.clock import FakeClock
from tests.unit.cli.conftest import BUCKET, TABLE, Shop
from tests.unit.migrate.test_sqs_target import message

CELERY = {AmqpQueue("celery"): AmqpQueue("celery")}

DAY = 86_400.0


@pytest.fixture(autouse=True)
def _no_long_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    # The clock of the double stands still: a long poll of an empty queue would never end.
    monkeypatch.setattr(sqs_source, "WAIT_SECONDS", 0)


def source(shop: Shop, run: str = "run-0", **queues: str) -> SqsSource:
    names = {AmqpQueue(old): AmqpQueue(new) for old, new in queues.items()} or CELERY
    return SqsSource(shop.app, queues=names, run=run)


def ids(claims: Iterable[Claim]) -> list[str | None]:
    return [each.message.task_id for each in claims if isinstance(each.message, Carried)]


def left(shop: Shop, name: str = "celery") -> int:
    return len(shop.sqs.messages(QueueName(name)))


def parked(shop: Shop) -> list[str]:
    return shop.ids()


def claimed_items(shop: Shop) -> int:
    with shop.app.connection_for_write() as connection:
        shared: Coordination = connection.transport.coordination
        return shared.table.count(CLAIMED)


def test_what_waits_is_claimed_hidden_and_deleted(shop: Shop) -> None:
    for number in range(12):
        shop.send(0, task_id=str(number))
    one = source(shop)

    first, second, third = one.claim(10), one.claim(10), one.claim(10)

    assert ids([*first, *second]) == [str(number) for number in range(12)]
    assert third == []
    assert not any(each.seen_before for each in first)
    one.commit([*first, *second])
    assert left(shop) == 0
    one.commit(first)


def test_what_was_revoked_here_says_so(shop: Shop) -> None:
    shop.send(0, task_id="wanted")
    shop.send(0, task_id="unwanted")
    shop.send(DAY, task_id="later")
    with shop.app.connection_for_write() as connection:
        shared: Coordination = connection.transport.coordination
        shared.revocations.add(["unwanted", "later"])
    one = source(shop)

    claims = [*one.claim(10), *one.claim(10)]

    assert {each.message.task_id: each.revoked for each in claims} == {  # type: ignore[union-attr]
        "wanted": False,
        "unwanted": True,
        "later": True,
    }


def test_a_message_is_as_it_was_published(shop: Shop) -> None:
    shop.send(0, expires=60, priority=4, headers={"x": 1})

    (claim,) = source(shop, celery="old").claim(10)

    message = claim.message
    assert isinstance(message, Carried)
    envelope = message.envelope
    assert (message.queue, message.priority) == ("old", 4)
    assert json.loads(envelope["body"])[0] == ["you"]
    assert envelope["headers"]["x"] == 1
    assert envelope["content-type"] == "application/json"
    assert envelope["properties"]["delivery_info"]["routing_key"] == "old"


@pytest.mark.parametrize(("highest", "order"), [(0, ["0", "3", "9"]), (9, ["9", "3", "0"])])
def test_higher_priorities_come_first_and_are_first_there(
    shop: Shop, highest: int, order: list[str]
) -> None:
    shop.options(priority_steps=[0, 3, 6, 9], highest_priority=highest)
    for priority in (9, 0, 3):
        shop.send(0, task_id=str(priority), priority=priority)
    one = source(shop)

    claims = [claim for _ in range(3) for claim in one.claim(10)]

    assert ids(claims) == order
    priorities = [each.message.priority for each in claims if isinstance(each.message, Carried)]
    assert priorities == sorted(priorities, key=int)  # type: ignore[arg-type]


def test_what_is_given_back_comes_again_as_seen_before(shop: Shop) -> None:
    shop.send(0)
    one = source(shop)
    one.give_back(one.claim(10))

    (claim,) = one.claim(10)

    assert claim.seen_before


def copies(shop: Shop, *copy_ids: str) -> None:
    """Send copies of one message, as migrations that were killed do."""
    shop.send(0, task_id="unmarked")
    url = shop.sqs.queue_url(QueueName("celery"))
    (stored,) = shop.sqs.messages(QueueName("celery"))
    for copy in copy_ids:
        message = OutgoingMessage(body=stored.body)
        shop.sqs.send(url, mark_migrated(message, task_key="k", copy_id=copy))


def test_of_two_copies_the_first_is_moved_and_the_other_deleted(shop: Shop) -> None:
    copies(shop, "a", "b")
    one = source(shop)

    unmarked, marked = one.claim(10)

    assert unmarked.message.key not in ("k", "")
    assert (marked.message.key, marked.seen_before) == ("k", True)
    assert left(shop) == 2
    one.give_back([unmarked, marked])
    assert len(one.claim(10)) == 2


def test_queues_full_of_second_copies_do_not_look_empty(shop: Shop) -> None:
    copies(shop, *map(str, range(25)))
    one = source(shop)
    one.commit(one.claim(1))

    (marked,) = one.claim(10)

    assert (marked.message.key, left(shop)) == ("k", 16)
    assert one.claim(10) == []
    assert left(shop) == 1


def test_what_a_worker_has_begun_from_another_copy_is_deleted(shop: Shop) -> None:
    copies(shop, "b")
    with shop.app.connection_for_write() as connection:
        shared: Coordination = connection.transport.coordination
        shared.migration_claims.claim(MigrationMark(task_key="k", copy_id="a"), "elsewhere")

    (unmarked,) = source(shop).claim(10)

    assert ids([unmarked]) == ["unmarked"]
    assert left(shop) == 1


@pytest.mark.parametrize("option", ["migration_deduplication", "coordination_table"])
def test_without_claims_two_copies_have_one_key_at_least(shop: Shop, option: str) -> None:
    shop.options(**{option: False})
    copies(shop, "a", "b")

    _, *marked = source(shop).claim(10)

    assert [(each.message.key, each.seen_before) for each in marked] == [("k", True)] * 2


def test_a_body_in_s3_comes_with_it_and_goes_with_it(shop: Shop) -> None:
    shop.options(large_message_bucket=str(BUCKET), large_message_threshold_bytes=300)
    shop.send(0)
    one = source(shop)

    claims = one.claim(10)

    assert ids(claims) == ["one"]
    assert shop.s3.objects(BUCKET)
    one.commit(claims)
    assert (left(shop), shop.s3.objects(BUCKET)) == (0, {})


def test_a_body_that_is_lost_and_what_is_no_task_are_unreadable(shop: Shop) -> None:
    shop.options(large_message_bucket=str(BUCKET), large_message_threshold_bytes=300)
    shop.send(0)
    shop.s3.delete_batch(BUCKET, list(shop.s3.objects(BUCKET)))
    url = shop.sqs.queue_url(QueueName("celery"))
    shop.sqs.send(url, OutgoingMessage(body='{"an": "event"}'))

    lost, foreign = source(shop).claim(10)

    assert isinstance(lost.message, Unreadable)
    assert "S3" in lost.message.reason
    assert isinstance(foreign.message, Unreadable)
    assert foreign.message.raw == b'{"an": "event"}'


@pytest.mark.parametrize("operation", ["ReceiveMessage", "DeleteMessageBatch"])
def test_an_aws_that_does_not_answer_is_asked_again_later(shop: Shop, operation: str) -> None:
    shop.send(0)
    one = source(shop)
    shop.sqs.faults.fail(operation, UnreachableError("gone", service="sqs", operation=operation))

    with pytest.raises(BrokerLostError):
        one.commit(one.claim(10))
    one.commit(one.claim(10) if operation == "ReceiveMessage" else [])


def test_a_delete_that_sqs_has_no_time_for_is_tried_again(shop: Shop) -> None:
    shop.send(0)
    one = source(shop)
    claims = one.claim(10)
    shop.sqs.faults.refuse_entries("DeleteMessageBatch")

    with pytest.raises(BrokerLostError):
        one.commit(claims)
    one.commit(claims)

    assert left(shop) == 0


# The schedule.


def test_parked_tasks_come_too_with_their_etas(shop: Shop) -> None:
    shop.send(DAY, task_id="far")
    shop.send(2 * DAY, task_id="further")
    shop.send(0, task_id="now")
    one = source(shop)

    now, far = one.claim(10), one.claim(10)

    assert (ids(now), ids(far), one.claim(10)) == (["now"], ["far", "further"], [])
    message = far[0].message
    assert isinstance(message, Carried)
    assert message.envelope["headers"]["eta"] is not None
    assert parked(shop) == []
    one.commit(far)
    assert claimed_items(shop) == 0


def test_a_parked_second_copy_is_removed(shop: Shop) -> None:
    target = SqsTarget(shop.app, "run-0", passage="p")
    parked_one = message("k", eta=shop.app.now() + timedelta(days=1))
    target.send([parked_one])
    with shop.app.connection_for_write() as connection:
        shared: Coordination = connection.transport.coordination
        key = key_of_mark("k", "id-k", passage="p")
        shared.migration_claims.claim(MigrationMark(task_key=key, copy_id="other"), "elsewhere")

    assert source(shop).claim(10) == []
    assert (parked(shop), claimed_items(shop)) == ([], 0)


def test_parked_tasks_of_other_queues_stay(shop: Shop) -> None:
    shop.send(DAY, task_id="other", queue="other")

    assert source(shop).claim(10) == []
    assert parked(shop) == ["other"]


def test_what_a_mover_may_be_sending_is_left_to_it(shop: Shop, clock: FakeClock) -> None:
    shop.send(DAY)
    clock.advance(DAY - 900 - 20)

    assert source(shop).claim(10) == []
    assert parked(shop) == ["one"]


def test_a_mover_that_is_faster_has_it(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.send(DAY)
    monkeypatch.setattr("celery_aws.table.schedule.Schedule.take", lambda *_: False)

    assert source(shop).claim(10) == []
    assert claimed_items(shop) == 0


def test_parked_tasks_are_parked_again(shop: Shop) -> None:
    shop.send(DAY)
    one = source(shop)

    one.give_back(one.claim(10))

    assert (parked(shop), claimed_items(shop)) == (["one"], 0)
    assert ids(one.claim(10)) == ["one"]


def test_large_parked_tasks_come_whole(shop: Shop) -> None:
    noise = random.Random(1).randbytes(500_000).hex()
    shop.app.send_task("shop.mail", [noise], countdown=DAY, task_id="large")
    one = source(shop)

    claims = one.claim(10)
    again = source(shop, run="run2-0").recover(10)

    for (claim,) in (claims, again):
        assert isinstance(claim.message, Carried)
        assert json.loads(claim.message.envelope["body"])[0] == [noise]
    one.commit(claims)
    assert not [item for item in shop.tables.items(TABLE) if item["pk"]["S"].startswith("part#")]


class Crash(BaseException):
    """The process is no more."""


@pytest.mark.parametrize("point", range(8))
def test_killed_anywhere_a_parked_task_is_not_lost(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, point: int
) -> None:
    shop.send(DAY, task_id="one")
    shop.send(DAY, task_id="two")
    left_over = [point]

    def dying(name: str) -> None:
        real = getattr(shop.tables, name)

        def asked(*arguments: Any, **options: Any) -> Any:
            left_over[0] -= 1
            if left_over[0] == -1:
                raise Crash
            return real(*arguments, **options)

        monkeypatch.setattr(shop.tables, name, asked)

    for name in ("put_item", "delete_item", "write_batch"):
        dying(name)
    one = source(shop)
    with suppress(Crash):
        one.commit(one.claim(10))

    two = source(shop, run="run2-0")
    claims = [*two.recover(10), *two.claim(10)]

    assert sorted(map(str, ids(claims))) == (["one", "two"] if claims else [])
    assert bool(claims) == (point < 5)
    two.commit(claims)
    assert (parked(shop), claimed_items(shop)) == ([], 0)


def test_what_nobody_could_be_asked_about_is_handed_out_later(shop: Shop) -> None:
    shop.send(DAY, task_id="one")
    one = source(shop)
    shop.tables.fail_next("BatchGetItem", ServiceFaultError("busy", service="dynamodb"))

    with pytest.raises(BrokerLostError):
        one.claim(10)

    claims = one.claim(10)
    assert ids(claims) == ["one"]
    assert one.claim(10) == []
    assert one.leave(claims)
    assert ids(one.claim(10)) == ["one"]
    assert one.claim(10) == []


@pytest.mark.parametrize("point", range(5))
def test_what_was_claimed_before_an_error_is_handed_out_after_it(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, point: int
) -> None:
    shop.send(DAY, task_id="one")
    shop.send(DAY, task_id="two")
    one = source(shop)
    left_over = [point]

    def failing(name: str) -> None:
        real = getattr(shop.tables, name)

        def asked(*arguments: Any, **options: Any) -> Any:
            left_over[0] -= 1
            if left_over[0] == -1:
                raise ServiceFaultError("busy", service="dynamodb")
            return real(*arguments, **options)

        monkeypatch.setattr(shop.tables, name, asked)

    for name in ("put_item", "delete_item"):
        failing(name)
    claims: list[Claim] = []
    with suppress(BrokerLostError):
        claims += one.claim(10)
    while more := one.claim(10):
        claims += more

    assert sorted(map(str, ids(claims))) == ["one", "two"]
    one.commit(claims)
    assert (parked(shop), claimed_items(shop)) == ([], 0)


def test_a_claim_that_was_not_carried_out_is_forgotten(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.send(DAY)

    def crash(*_: Any) -> bool:
        raise Crash

    with monkeypatch.context() as killed:
        killed.setattr("celery_aws.table.schedule.Schedule.take", crash)
        with pytest.raises(Crash):
            source(shop).claim(10)
    assert (parked(shop), claimed_items(shop)) == (["one"], 1)

    assert source(shop, run="run2-0").recover(10) == []
    assert (parked(shop), claimed_items(shop)) == (["one"], 0)


def test_an_inventory_counts_queues_priorities_and_the_schedule(shop: Shop) -> None:
    shop.options(priority_steps=[0, 9])
    shop.send(0, task_id="first")
    shop.send(0, task_id="last", priority=9)
    shop.send(100, task_id="delayed")
    shop.send(DAY, task_id="parked", priority=9)
    shop.send(DAY, task_id="other", queue="other")
    source(shop).claim(1)

    found = sqs_inventory(shop.app)

    counts = {str(each.queue): each for each in found.queues}
    assert dict(counts["celery"].waiting) == {0: 0, 9: 1}
    assert (counts["celery"].held, counts["celery"].delayed) == (1, 2)
    assert counts["other"].messages == 1
    assert found.source.startswith("aws+sqs://")
    assert "secret" not in repr(found)


def test_without_a_table_there_is_nothing_parked(shop: Shop) -> None:
    shop.options(coordination_table=False)
    shop.send(0)
    one = source(shop)

    assert one.recover(10) == []
    assert ids(one.claim(10)) == ["one"]
    assert one.claim(10) == []
    assert sqs_inventory(shop.app).claimed == 0


def test_temporary_failures_of_the_table_are_told_too(shop: Shop) -> None:
    shop.send(DAY)
    shop.tables.fail_next("Query", ServiceFaultError("busy", service="dynamodb"))

    with pytest.raises(BrokerLostError):
        source(shop).recover(10)
