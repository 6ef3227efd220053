from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from celery_aws.core.attributes import Item, number, text
from celery_aws.core.binding_items import (
    EXCHANGE,
    INBOX_URL,
    KIND,
    PARTITION_OF_BINDINGS,
    QUEUE,
    ROUTING_KEY,
    TOKEN,
    binding_item,
    binding_key,
    binding_of,
    sort_key_of,
    sort_range,
)
from celery_aws.core.key_range import SortRange
from celery_aws.core.routing import Binding
from celery_aws.core.table_keys import PARTITION, SORT, key_of
from celery_aws.names import AmqpQueue
from tests.unit.core.controlling import BINDINGS, NAMES, binding, spoiled

#: Bytes of a sort key ("Quotas in Amazon DynamoDB").
SORT_KEY_BYTES = 1_024


def in_range(key: str, exchange: str, queue: str | None = None) -> bool:
    low, high = sort_range(exchange, None if queue is None else AmqpQueue(queue))
    assert low <= high  # or AWS refuses the query
    return SortRange(attribute=SORT, low=text(low), high=text(high)).contains(text(key))


@given(BINDINGS)
def test_a_binding_comes_back(one: Binding) -> None:
    item = binding_item(one)

    assert binding_of(item) == one
    assert key_of(item) == binding_key(one)
    assert item[PARTITION] == text(PARTITION_OF_BINDINGS)


@given(BINDINGS)
def test_the_key_is_one_that_dynamodb_takes(one: Binding) -> None:
    assert 0 < len(sort_key_of(one).encode()) <= SORT_KEY_BYTES


def test_the_longest_names_make_a_key_that_dynamodb_takes() -> None:
    for name in ("x" * 200, "x" * 201, "x" * 255, "/" * 255, "é" * 127):
        longest = binding(name, name, key=name, inbox="f" * 32)

        assert len(sort_key_of(longest).encode()) <= SORT_KEY_BYTES


@given(BINDINGS, NAMES, NAMES)
def test_the_range_is_that_of_one_exchange_and_queue(
    one: Binding, exchange: str, queue: str
) -> None:
    key = sort_key_of(one)

    assert in_range(key, one.exchange)
    assert in_range(key, one.exchange, one.queue)
    assert in_range(key, exchange) is (exchange == one.exchange)
    assert in_range(key, one.exchange, queue) is (queue == one.queue)
    assert in_range(key, exchange, queue) is ((exchange, queue) == (one.exchange, one.queue))


@given(st.lists(BINDINGS, max_size=8))
def test_bindings_that_differ_in_a_name_have_keys_of_their_own(several: list[Binding]) -> None:
    names = {(each.exchange, each.queue, each.routing_key, each.inbox) for each in several}

    assert len({sort_key_of(each) for each in several}) == len(names)


ALIKE = ["", "a", "a/", "a/b", "a~", "ab", "a%2F", "a%2Fb", "a.b", "A", "é", "x" * 201, "x" * 202]


@pytest.mark.parametrize("exchange", ALIKE)
@pytest.mark.parametrize("queue", [None, *ALIKE])
def test_names_that_begin_alike_are_apart(exchange: str, queue: str | None) -> None:
    several = [binding(x, q, key=k) for x in ALIKE for q in ALIKE for k in ("", "~", "/", "#")]

    found = [each for each in several if in_range(sort_key_of(each), exchange, queue)]

    wanted = [e for e in several if e.exchange == exchange and queue in (None, e.queue)]
    assert found == wanted


def test_the_ranges_of_exchanges_do_not_touch() -> None:
    ranges = sorted(sort_range(exchange) for exchange in ALIKE)

    assert all(high < low for (_, high), (low, _) in pairwise(ranges))


def test_the_key_is_for_people_to_read() -> None:
    assert sort_key_of(binding()) == "celery.pidbox/w%40h.celery.pidbox//i1"
    assert sort_key_of(binding("", "q", inbox=None)) == "/q//"


def test_a_queue_on_sqs_has_no_inbox_in_its_item() -> None:
    assert set(binding_item(binding(inbox=None))) == {
        PARTITION,
        SORT,
        EXCHANGE,
        KIND,
        QUEUE,
        ROUTING_KEY,
    }


@pytest.mark.parametrize("missing", [EXCHANGE, KIND, QUEUE, ROUTING_KEY, INBOX_URL, TOKEN])
@pytest.mark.parametrize("instead", [None, number(5)])
def test_what_lacks_a_part_is_no_binding(missing: str, instead: Item | None) -> None:
    item = {**binding_item(binding()), missing: instead}

    with pytest.raises(ValueError, match=r"'celery.pidbox/.*' is no binding"):
        binding_of({name: value for name, value in item.items() if value is not None})


def test_a_kind_that_nobody_knows_is_no_binding() -> None:
    with pytest.raises(ValueError, match="no binding"):
        binding_of({**binding_item(binding()), KIND: text("headers")})


@given(spoiled(BINDINGS.map(binding_item)))
def test_whatever_is_there_is_a_binding_or_a_value_error(item: Item) -> None:
    try:
        read = binding_of(item)
    except ValueError:
        return
    assert not read.transient or (read.inbox_url is not None and read.token is not None)
