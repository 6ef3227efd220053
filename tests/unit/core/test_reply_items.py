import base64
import json
import random
import zlib
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from celery_aws.core import packed_text
from celery_aws.core.attributes import Item, binary, item_bytes, number, text
from celery_aws.core.reply_items import (
    LIFE_SECONDS,
    MESSAGE,
    PART,
    PARTS,
    reply_items,
    reply_messages,
    reply_partition,
)
from celery_aws.core.table_keys import PARTITION, SORT, TTL, key_of
from celery_aws.limits import DYNAMODB_ITEM_BYTES
from tests.unit.core.controlling import ATTRIBUTES, JSON_VALUES, VIRTUAL_MESSAGES, spoiled

NOW = 1_790_000_000.75
NOISE = base64.b64encode(random.Random(4).randbytes(500_000)).decode()

MESSAGE_OF = {"body": "b", "headers": {}, "properties": {"delivery_info": {}}}
LARGE = {**MESSAGE_OF, "body": NOISE}


def items_of(message: Mapping[str, Any], reply_id: str = "r1") -> list[Item]:
    return reply_items("oid", reply_id, message, now=NOW)


@given(st.lists(VIRTUAL_MESSAGES, max_size=5), st.randoms(use_true_random=False))
def test_replies_come_back(drawn: list[dict[str, Any]], order: random.Random) -> None:
    messages = [{**message, "body": f"{number}"} for number, message in enumerate(drawn)]
    items = [item for n, message in enumerate(messages) for item in items_of(message, f"r{n}")]
    order.shuffle(items)

    found, used = reply_messages(items)

    assert sorted(found, key=lambda message: str(message["body"])) == messages
    assert sorted(map(str, used)) == sorted(map(str, items))


@given(st.randoms(use_true_random=False), st.integers(480_000, len(NOISE)))
@settings(max_examples=10)
def test_large_ones_come_back_from_their_parts(order: random.Random, characters: int) -> None:
    one, other = ({**MESSAGE_OF, "body": body[:characters]} for body in (NOISE, NOISE[::-1]))
    items = [*items_of(one, "r1"), *items_of(other, "r2")]
    order.shuffle(items)

    found, used = reply_messages(items)

    assert len(items) > 2
    assert sorted(str(m["body"]) for m in found) == sorted(str(m["body"]) for m in (one, other))
    assert len(used) == len(items)


def test_a_reply_is_complete_when_its_last_part_is_there() -> None:
    items = items_of(LARGE)

    for missing in range(len(items)):
        assert reply_messages(items[:missing] + items[missing + 1 :]) == ([], [])
    assert reply_messages([]) == ([], [])
    assert reply_messages(items) == ([LARGE], items)


def test_an_incomplete_one_holds_up_no_other() -> None:
    small = items_of(MESSAGE_OF, "r2")

    assert reply_messages([items_of(LARGE)[0], *small]) == ([MESSAGE_OF], small)


def test_every_item_is_small_enough_for_dynamodb() -> None:
    items = reply_items("o" * 128, "r" * 36, LARGE, now=NOW)

    assert len(items) == 2
    assert max(map(item_bytes, items)) < DYNAMODB_ITEM_BYTES
    assert len({str(key_of(item)) for item in items}) == 2


def test_a_reply_that_nobody_reads_expires() -> None:
    (item,) = items_of(MESSAGE_OF)

    assert item[TTL] == number(int(NOW) + LIFE_SECONDS)
    assert item[PARTITION] == text(reply_partition("oid"))


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"no compression",
        zlib.compress(b"no JSON"),
        zlib.compress(b"\xff"),
        zlib.compress(b"[]"),
        zlib.compress(b"{}"),
        zlib.compress(b'{"body": 5, "properties": {}}'),
        zlib.compress(b'{"body": "b"}'),
        zlib.compress(b'{"body": "b", "properties": []}'),
        zlib.compress(b'{"body": "b", "properties": {"delivery_info": 5}}'),
        zlib.compress(b'{"body": "b", "properties": {}, "headers": [1]}'),
        zlib.compress(b'{"__type__": "decimal", "__value__": "x"}'),
        zlib.compress(b"[" * 200_000),
        zlib.compress(json.dumps(MESSAGE_OF).encode())[:-1],
        zlib.compress(b" " * 70_000_000),
    ],
    ids=range(15),
)
def test_what_is_no_reply_is_left_out_and_not_read_again(reply: bytes) -> None:
    (item,) = items_of(MESSAGE_OF)
    broken = {**item, MESSAGE: binary(reply)}
    good = items_of(MESSAGE_OF, "r2")

    assert reply_messages([broken, *good]) == ([MESSAGE_OF], [broken, *good])


def test_a_bomb_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    items = items_of({**MESSAGE_OF, "body": "x" * 2_000})
    assert len(reply_messages(items)[0]) == 1

    monkeypatch.setattr(packed_text, "UNPACKED_BYTES_MAX", 1_000)

    assert reply_messages(items) == ([], items)


def test_parts_of_two_replies_are_none() -> None:
    ones, others = items_of(LARGE, "r1"), items_of({**LARGE, "body": NOISE[::-1]}, "r1")
    mixed = [ones[0], others[1]]

    assert reply_messages(mixed) == ([], mixed)


@pytest.mark.parametrize("positions", [(0, 0), (1, 0), (5, -5), (1, 1)])
def test_wrong_numbers_make_no_reply(positions: tuple[int, int]) -> None:
    first, second = items_of(LARGE)
    wrong = [{**first, PART: number(positions[0])}, {**second, PART: number(positions[1])}]

    found, used = reply_messages(wrong)

    # Equal ones leave the order in which they came, which is as good as any.
    assert found in ([], [LARGE])
    assert used == wrong


@pytest.mark.parametrize("count", ["1E125", "3", "-1", "0", "1.5"])
def test_a_wrong_count_makes_no_error(count: str) -> None:
    (item,) = items_of(MESSAGE_OF)
    wrong = {**item, PARTS: {"N": count}}
    complete = count in ("-1", "0")

    assert reply_messages([wrong]) == (([MESSAGE_OF], [wrong]) if complete else ([], []))


ITEMS = VIRTUAL_MESSAGES.map(lambda message: items_of(message)[0])


@given(
    st.lists(
        st.one_of(
            ITEMS,
            spoiled(ITEMS),
            st.dictionaries(st.sampled_from([SORT, MESSAGE, PART, PARTS, "other"]), ATTRIBUTES),
            JSON_VALUES.map(lambda value: items_of({**MESSAGE_OF, "properties": value})[0]),
            JSON_VALUES.map(
                lambda value: {
                    **items_of(MESSAGE_OF)[0],
                    MESSAGE: binary(zlib.compress(json.dumps(value).encode())),
                }
            ),
        ),
        max_size=6,
    )
)
def test_nothing_makes_reading_raise(items: list[Item]) -> None:
    messages, used = reply_messages(items)

    assert all(any(each is item for item in items) for each in used)
    for message in messages:
        assert isinstance(message["headers"], dict)
        assert isinstance(message["properties"]["delivery_info"], dict)
