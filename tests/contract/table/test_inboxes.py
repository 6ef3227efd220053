"""The registry of inboxes, as AWS keeps it: owners renew their own, others remove one once."""

import logging
from dataclasses import replace

import pytest

from celery_aws.aws.dynamodb import TableService
from celery_aws.core.attributes import number, text
from celery_aws.core.inbox_items import PARTITION_OF_INBOXES, InboxRecord, inbox_item
from celery_aws.core.table_keys import key_item
from celery_aws.errors import TableNotFoundError
from celery_aws.names import InboxId, QueueUrl
from celery_aws.table.coordination import CoordinationTable
from celery_aws.table.inboxes import Inboxes
from tests.contract.table.conftest import Requests, new_table


def record(name: str = "i1", version: str = "v1", *, bindings: tuple[str, ...] = ()) -> InboxRecord:
    return InboxRecord(
        inbox=InboxId(name),
        url=QueueUrl(f"https://sqs.eu-west-1.amazonaws.com/1/celery-inbox-{name}.fifo"),
        owner="host:1",
        version=version,
        duration_seconds=600.0,
        bindings=bindings,
    )


@pytest.fixture
def inboxes(made_table: CoordinationTable) -> Inboxes:
    return Inboxes(table=made_table)


def test_nothing_is_found_in_a_table_that_nobody_has_made(table: CoordinationTable) -> None:
    inboxes = Inboxes(table=table)

    assert inboxes.all() == []
    assert inboxes.remove(InboxId("i1"))
    with pytest.raises(TableNotFoundError):
        table.service.describe_table(table.name)


def test_the_first_inbox_makes_the_table(table: CoordinationTable) -> None:
    Inboxes(table=table).put(record())

    assert Inboxes(table=table).all() == [record()]


def test_a_table_that_may_not_be_made_is_an_error(service: TableService) -> None:
    with pytest.raises(TableNotFoundError, match="create-table"):
        Inboxes(table=new_table(service, creates=False)).put(record())


def test_all_are_found_as_they_were_written_last(inboxes: Inboxes) -> None:
    renewed = record("i1", "v2", bindings=("x/q//i1", "y/é//i1"))
    for each in (record("i1"), record("i2"), renewed):
        inboxes.put(each)

    assert inboxes.all() == [renewed, record("i2")]


def test_an_owner_removes_its_own_whatever_it_has_become(inboxes: Inboxes) -> None:
    for each in (record("i1", "v2"), record("i2")):
        inboxes.put(each)

    assert inboxes.remove(InboxId("i1"))
    assert inboxes.remove(InboxId("i1"))
    assert inboxes.all() == [record("i2")]


def test_what_was_renewed_meanwhile_is_not_removed(inboxes: Inboxes) -> None:
    inboxes.put(record(version="v2"))

    assert not inboxes.remove(InboxId("i1"), version="v1")
    assert inboxes.all() == [record(version="v2")]


def test_of_two_that_remove_an_inbox_one_does(inboxes: Inboxes) -> None:
    inboxes.put(record())

    assert [inboxes.remove(InboxId("i1"), version="v1") for _ in range(2)] == [True, False]
    assert inboxes.all() == []


def test_what_is_no_inbox_is_passed_over_and_told(
    inboxes: Inboxes, caplog: pytest.LogCaptureFixture
) -> None:
    inboxes.table.put({**key_item(PARTITION_OF_INBOXES, "odd"), "duration_seconds": number(1)})
    inboxes.table.put({**inbox_item(record("broken")), "bindings": text("[")})
    inboxes.put(record())

    with caplog.at_level(logging.WARNING):
        assert inboxes.all() == [record()]

    assert "'odd' is no inbox; it is left alone" in caplog.text
    assert "'broken' is no inbox" in caplog.text


def test_what_it_costs(inboxes: Inboxes, requests: Requests) -> None:
    assert requests(lambda: inboxes.put(record())) == {"PutItem": 1}
    assert requests(inboxes.all) == {"Query": 1}
    assert requests(lambda: inboxes.remove(InboxId("i1"), version="v9")) == {"DeleteItem": 1}
    assert requests(lambda: inboxes.remove(InboxId("i1"))) == {"DeleteItem": 1}


def test_more_than_a_page_of_them_is_found(inboxes: Inboxes, requests: Requests) -> None:
    keys = tuple(f"exchange/queue-{number}//i" for number in range(2_000))
    several = [replace(record(f"{n:02}"), bindings=keys) for n in range(30)]
    for each in several:
        inboxes.put(each)
    found: list[InboxRecord] = []

    assert requests(lambda: found.extend(inboxes.all())) == {"Query": 2}
    assert found == several
