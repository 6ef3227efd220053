import base64
import json
import random
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from celery_aws.core import packed_text
from celery_aws.core.parcels import PLAIN_CHARACTERS, Parcel, ParcelItem, pack, unpack
from tests.unit.core.controlling import JSON_VALUES, NAMES, VIRTUAL_MESSAGES, WRONG_TEXTS

ITEMS = st.builds(
    ParcelItem, tokens=st.lists(NAMES, max_size=3).map(tuple), message=VIRTUAL_MESSAGES
)
PARCELS = st.builds(
    Parcel,
    items=st.lists(ITEMS, max_size=12).map(tuple),
    changed=st.lists(NAMES, max_size=3).map(tuple),
)

MESSAGE: dict[str, Any] = {
    "body": "b",
    "headers": {},
    "properties": {"delivery_info": {}},
}


def of_body(body: str) -> Parcel:
    return Parcel(items=(ParcelItem(tokens=("t",), message={**MESSAGE, "body": body}),))


def compressed(text: str) -> str:
    return json.dumps({"zlib": base64.b64encode(zlib.compress(text.encode())).decode()})


@given(PARCELS)
def test_a_parcel_comes_back(parcel: Parcel) -> None:
    assert unpack(pack(parcel)) == parcel


@given(st.integers(PLAIN_CHARACTERS, 100_000))
@settings(max_examples=10)
def test_a_large_one_comes_back_and_is_smaller(characters: int) -> None:
    parcel = of_body("a" * characters)
    body = pack(parcel)

    assert unpack(body) == parcel
    assert set(json.loads(body)) == {"zlib"}
    assert len(body) < PLAIN_CHARACTERS


@given(PARCELS)
def test_it_is_text_that_sqs_takes(parcel: Parcel) -> None:
    body = pack(parcel)

    assert body.isascii()
    # "The set of allowed characters" of SendMessage.
    assert all(character >= " " for character in body)


def test_a_small_one_is_read_by_people() -> None:
    body = pack(Parcel(items=of_body("b").items, changed=("events",)))

    assert json.loads(body) == {"messages": [[["t"], MESSAGE]], "changed": ["events"]}


def test_what_compression_makes_larger_is_sent_as_it_is() -> None:
    # A body of which every byte says as much as it can: base64 of it would pass the limit of SQS.
    letters = "".join(chr(number) for number in range(33, 127) if chr(number) not in '"\\')
    parcel = of_body("".join(random.Random(4).choices(letters, k=200_000)))
    body = pack(parcel)

    assert unpack(body) == parcel
    assert len(body) < 201_000


def test_headers_and_delivery_info_may_be_missing() -> None:
    body = json.dumps({"messages": [[["t"], {"body": "b", "properties": {}}]]})

    assert unpack(body) == of_body("b")


def test_what_is_new_in_a_later_version_is_passed_over() -> None:
    assert unpack('{"changed": ["x"], "later": {"a": 1}}') == Parcel(changed=("x",))


@pytest.mark.parametrize(
    "content",
    [
        [],
        "zlib",
        5,
        None,
        {"zlib": 5},
        {"zlib": None},
        {"zlib": "é"},
        {"zlib": "no base64"},
        {"zlib": base64.b64encode(b"no zlib").decode()},
        {"zlib": base64.b64encode(zlib.compress(b"\xff")).decode()},
        {"zlib": base64.b64encode(zlib.compress(b"no JSON")).decode()},
        {"zlib": base64.b64encode(zlib.compress(b"[]")).decode()},
        {"zlib": base64.b64encode(zlib.compress(b"{}")[:-1]).decode()},
        {"changed": "events"},
        {"changed": {"events": 1}},
        {"changed": [5]},
        {"changed": None},
        {"messages": None},
        {"messages": {"ab": 1}},
        {"messages": ["ab"]},
        {"messages": [[]]},
        {"messages": [[["t"]]]},
        {"messages": [[["t"], MESSAGE, 5]]},
        {"messages": [["t", MESSAGE]]},
        {"messages": [[[5], MESSAGE]]},
        {"messages": [[["t"], None]]},
        {"messages": [[["t"], []]]},
        {"messages": [[["t"], {}]]},
        {"messages": [[["t"], {**MESSAGE, "body": 5}]]},
        {"messages": [[["t"], {**MESSAGE, "headers": [5]}]]},
        {"messages": [[["t"], {**MESSAGE, "properties": 5}]]},
        {"messages": [[["t"], {**MESSAGE, "properties": {"delivery_info": []}}]]},
        {"messages": [[["t"], {**MESSAGE, "properties": {"body_encoding": 5}}]]},
        {"messages": [[["t"], {"__type__": "decimal", "__value__": "x"}]]},
        {"messages": [[["t"], {"__type__": "uuid", "__value__": {"hex": "0" * 32}}]]},
    ],
    ids=str,
)
def test_what_is_no_parcel_is_an_error_and_nothing_worse(content: Any) -> None:
    text = json.dumps(content)

    with pytest.raises(ValueError, match=r"."):
        unpack(text)
    with pytest.raises(ValueError, match=r"."):
        unpack(compressed(text) if "zlib" not in str(content) else text)


@given(
    st.one_of(
        WRONG_TEXTS,
        WRONG_TEXTS.map(compressed),
        st.fixed_dictionaries({"messages": JSON_VALUES, "changed": JSON_VALUES}).map(json.dumps),
        JSON_VALUES.map(lambda value: json.dumps({"messages": [[["t"], value]]})),
        JSON_VALUES.map(lambda value: json.dumps({"messages": [[["t"], {**MESSAGE, "p": value}]]})),
        st.binary(max_size=20).map(lambda b: json.dumps({"zlib": base64.b64encode(b).decode()})),
    )
)
def test_whatever_comes_is_a_parcel_or_a_value_error(body: str) -> None:
    try:
        parcel = unpack(body)
    except ValueError:
        return
    for item in parcel.items:
        assert isinstance(item.message["headers"], dict)
        assert isinstance(item.message["properties"]["delivery_info"], dict)


def test_a_bomb_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed_text, "UNPACKED_BYTES_MAX", 10_000)

    with pytest.raises(ValueError, match="too large"):
        unpack(compressed('{"changed": ["' + "x" * 10_000 + '"]}'))


def test_the_error_says_nothing_of_the_content() -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        unpack('{"messages": [[["t"], {"body": {"password": "hunter2"}, "properties": {}}]]}')

    assert "hunter2" not in str(refused.value)
