"""Bindings, as AWS keeps them: found by exchange and by queue, whatever their names are."""

import logging
import uuid
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from celery_aws.aws.dynamodb import TableService
from celery_aws.core.attributes import text
from celery_aws.core.binding_items import PARTITION_OF_BINDINGS, sort_key_of
from celery_aws.core.routing import Binding
from celery_aws.core.table_keys import key_item
from celery_aws.errors import TableNotFoundError
from celery_aws.names import AmqpQueue
from celery_aws.table.bindings import Bindings
from celery_aws.table.coordination import CoordinationTable
from tests.contract.table.conftest import Requests, new_table
from tests.unit.core.controlling import NAMES, binding

DURABLE = binding("orders", "eu", kind="topic", key="orders.#", inbox=None)
NODES = [binding(queue=f"w{n}@h.celery.pidbox", inbox=f"i{n}", token=f"t{n}") for n in range(3)]

#: Names that are alike, or have what separates parts of a key.
ALIKE = ["", "a", "a/", "a/b", "a~", "ab", "a%2F", "A", "é", "\U0001f600", "x" * 255, "x" * 254]


@pytest.fixture
def bindings(made_table: CoordinationTable) -> Bindings:
    return Bindings(table=made_table)


def test_nothing_is_found_in_a_table_that_nobody_has_made(table: CoordinationTable) -> None:
    bindings = Bindings(table=table)

    assert bindings.of("celery.pidbox") == []
    assert bindings.all() == []
    bindings.remove([])
    with pytest.raises(TableNotFoundError):
        table.service.describe_table(table.name)


def test_the_first_binding_makes_the_table(table: CoordinationTable) -> None:
    Bindings(table=table).put(DURABLE)

    assert Bindings(table=table).all() == [DURABLE]


def test_a_table_that_may_not_be_made_is_an_error_that_says_what_to_do(
    service: TableService,
) -> None:
    bindings = Bindings(table=new_table(service, creates=False))

    with pytest.raises(TableNotFoundError, match="create-table"):
        bindings.put(DURABLE)
    with pytest.raises(TableNotFoundError):
        bindings.of("orders")


def test_bindings_are_found_by_exchange_and_by_queue(bindings: Bindings) -> None:
    for each in (*NODES, DURABLE):
        bindings.put(each)

    assert bindings.of("celery.pidbox") == NODES
    assert bindings.of("celery.pidbox", NODES[1].queue) == [NODES[1]]
    assert bindings.of("orders") == [DURABLE]
    assert bindings.of("orders", NODES[1].queue) == []
    assert bindings.of("nobody") == []
    assert sorted(bindings.all(), key=sort_key_of) == sorted([*NODES, DURABLE], key=sort_key_of)


def test_names_that_are_alike_are_apart(bindings: Bindings) -> None:
    several = [binding(x, q, key=q, inbox="i") for x in ALIKE for q in ALIKE]
    for each in several:
        bindings.put(each)

    for exchange in ALIKE:
        found = bindings.of(exchange)
        assert {each.queue for each in found} == set(ALIKE)
        assert {each.exchange for each in found} == {exchange}
        assert bindings.of(exchange, AmqpQueue("a")) == [binding(exchange, "a", key="a", inbox="i")]


@given(st.lists(st.tuples(NAMES, NAMES, NAMES), min_size=1, max_size=4, unique=True))
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_the_names_are(bindings: Bindings, names: list[tuple[str, str, str]]) -> None:
    # One table for all examples: each has an inbox of its own.
    inbox = uuid.uuid4().hex
    several = [binding(x, q, key=key, inbox=inbox) for x, q, key in names]
    for each in several:
        bindings.put(each)

    for one in several:
        found = [each for each in bindings.of(one.exchange, one.queue) if each.inbox == inbox]
        same = [e for e in several if (e.exchange, e.queue) == (one.exchange, one.queue)]
        assert sorted(found, key=sort_key_of) == sorted(same, key=sort_key_of)
    bindings.remove(map(sort_key_of, several))
    assert not [each for each in bindings.all() if each.inbox == inbox]


def test_a_binding_takes_the_place_of_the_one_with_its_names(bindings: Bindings) -> None:
    anew = replace(NODES[0], token="another", kind="direct")
    bindings.put(NODES[0])
    bindings.put(anew)

    assert bindings.all() == [anew]


def test_what_is_removed_is_gone_and_nothing_else(bindings: Bindings) -> None:
    for each in NODES:
        bindings.put(each)
    keys = [sort_key_of(NODES[0]), sort_key_of(NODES[1])]

    # One twice, and one that nothing has.
    bindings.remove([*keys, keys[0], "nobody/has//it"])
    bindings.remove(keys)

    assert bindings.all() == NODES[2:]


def test_what_is_no_binding_is_passed_over_and_told(
    bindings: Bindings, caplog: pytest.LogCaptureFixture
) -> None:
    strange = {**key_item(PARTITION_OF_BINDINGS, "celery.pidbox/q//"), "kind": text("headers")}
    bindings.table.put(strange)
    bindings.put(NODES[0])

    with caplog.at_level(logging.WARNING):
        assert bindings.of("celery.pidbox") == NODES[:1]
        assert bindings.all() == NODES[:1]

    assert "'celery.pidbox/q//' is no binding; it is left alone" in caplog.text


def test_more_than_a_page_of_them_is_found(bindings: Bindings, requests: Requests) -> None:
    # Names as long as AMQP takes them, in a fleet that is larger than most.
    several = [binding("x", "q" * 255, key="k" * 255, inbox=f"{n:04}") for n in range(1_500)]
    for each in several:
        bindings.put(each)
    found: list[Binding] = []

    made = requests(lambda: found.extend(bindings.of("x")))

    assert found == several
    assert made == {"Query": 2}
    assert requests(lambda: bindings.remove(map(sort_key_of, several[:60]))) == {
        "BatchWriteItem": 3
    }


def test_what_it_costs(bindings: Bindings, requests: Requests) -> None:
    assert requests(lambda: bindings.put(DURABLE)) == {"PutItem": 1}
    assert requests(lambda: bindings.of("orders")) == {"Query": 1}
    assert requests(lambda: bindings.of("orders", DURABLE.queue)) == {"Query": 1}
    assert requests(lambda: bindings.of("nobody")) == {"Query": 1}
    assert requests(bindings.all) == {"Query": 1}
    assert requests(lambda: bindings.remove([])) == {}
    assert requests(lambda: bindings.remove([sort_key_of(DURABLE)])) == {"BatchWriteItem": 1}
