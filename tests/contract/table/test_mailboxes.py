"""Replies under way, as AWS keeps them: what a worker writes is read by one client, and removed."""

import base64
import random
from typing import Any

import pytest

from celery_aws.aws.dynamodb import TableService
from celery_aws.core.attributes import Item
from celery_aws.core.reply_items import LIFE_SECONDS, reply_messages
from celery_aws.core.table_keys import SORT, TTL
from celery_aws.errors import TableNotFoundError
from celery_aws.table.coordination import CoordinationTable
from celery_aws.table.mailboxes import Mailboxes
from tests.contract.table.conftest import Requests, new_table

NOISE = base64.b64encode(random.Random(4).randbytes(900_000)).decode()


def reply(body: str = "{}") -> dict[str, Any]:
    return {
        "body": body,
        "content-type": "application/json",
        "headers": {"ticket": "t", "clock": 7},
        "properties": {"delivery_info": {"exchange": "reply.celery.pidbox", "routing_key": "oid"}},
    }


@pytest.fixture
def mailboxes(made_table: CoordinationTable) -> Mailboxes:
    return Mailboxes(table=made_table)


def bodies(items: list[Item]) -> list[str]:
    return sorted(str(message["body"]) for message in reply_messages(items)[0])


def test_nothing_is_found_in_a_table_that_nobody_has_made(table: CoordinationTable) -> None:
    mailboxes = Mailboxes(table=table)

    assert mailboxes.read("oid") == []
    mailboxes.remove([])
    with pytest.raises(TableNotFoundError):
        table.service.describe_table(table.name)


def test_the_first_reply_makes_the_table(table: CoordinationTable) -> None:
    Mailboxes(table=table).put("oid", reply())

    assert reply_messages(Mailboxes(table=table).read("oid"))[0] == [reply()]
    assert table.service.describe_ttl(table.name).attribute == TTL


def test_a_table_that_may_not_be_made_is_an_error(service: TableService) -> None:
    mailboxes = Mailboxes(table=new_table(service, creates=False))

    with pytest.raises(TableNotFoundError, match="create-table"):
        mailboxes.put("oid", reply())
    with pytest.raises(TableNotFoundError):
        mailboxes.read("oid")


def test_a_client_reads_its_own(mailboxes: Mailboxes) -> None:
    for oid in ("oid", "oid2", "é" * 2_000):
        mailboxes.put(oid, reply(oid))
        mailboxes.put(oid, reply(oid))

    assert bodies(mailboxes.read("oid")) == ["oid", "oid"]
    assert bodies(mailboxes.read("é" * 2_000)) == ["é" * 2_000] * 2
    assert mailboxes.read("nobody") == []


def test_what_was_read_is_there_until_it_is_removed(mailboxes: Mailboxes) -> None:
    mailboxes.put("oid", reply("first"))
    read = mailboxes.read("oid")
    mailboxes.put("oid", reply("second"))

    assert bodies(mailboxes.read("oid")) == ["first", "second"]
    mailboxes.remove(read)
    assert bodies(mailboxes.read("oid")) == ["second"]


def test_a_large_reply_comes_in_parts_and_leaves_nothing(mailboxes: Mailboxes) -> None:
    mailboxes.put("oid", reply(NOISE))
    items = mailboxes.read("oid")
    messages, used = reply_messages(items)

    assert messages == [reply(NOISE)]
    assert len(used) == len(items) == 3
    mailboxes.remove(used)
    assert mailboxes.read("oid") == []


def test_what_nobody_reads_expires(mailboxes: Mailboxes) -> None:
    before = mailboxes.table.clock.now().timestamp()
    mailboxes.put("oid", reply())
    (item,) = mailboxes.read("oid")

    assert 0 <= int(item[TTL]["N"]) - int(before) - LIFE_SECONDS < 60


def test_two_replies_that_are_the_same_are_two(mailboxes: Mailboxes) -> None:
    for _ in range(2):
        mailboxes.put("oid", reply())

    assert len({item[SORT]["S"] for item in mailboxes.read("oid")}) == 2


def test_what_it_costs(mailboxes: Mailboxes, requests: Requests) -> None:
    assert requests(lambda: mailboxes.put("oid", reply())) == {"PutItem": 1}
    assert requests(lambda: mailboxes.read("oid")) == {"Query": 1}
    assert requests(lambda: mailboxes.read("nobody")) == {"Query": 1}
    assert requests(lambda: mailboxes.put("oid", reply(NOISE))) == {"PutItem": 3}
    # 0.9 MB and a small one: AWS stops a page before the item that passes 1 MB.
    assert requests(lambda: mailboxes.read("oid")) == {"Query": 1}
    assert requests(lambda: mailboxes.remove([])) == {}
    assert requests(lambda: mailboxes.remove(mailboxes.read("oid"))) == {
        "Query": 1,
        "BatchWriteItem": 1,
    }


def test_a_hundred_workers_cost_one_question(mailboxes: Mailboxes, requests: Requests) -> None:
    for number in range(100):
        mailboxes.put("oid", reply(f"{number}"))
    items: list[Item] = []

    assert requests(lambda: items.extend(mailboxes.read("oid"))) == {"Query": 1}
    assert requests(lambda: mailboxes.remove(items)) == {"BatchWriteItem": 4}
    assert mailboxes.read("oid") == []
