import base64
import json
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kombu.transport.virtual.base import Base64
from kombu.utils.json import dumps as kombu_dumps

from celery_aws.core.envelope import (
    BASE64,
    TEXT,
    decode_body,
    dump_envelope,
    encode_body,
    load_envelope,
)

bodies = st.one_of(st.text(), st.binary())
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda children: (
        st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=12), children, max_size=4)
    ),
    max_leaves=12,
)
headers = st.dictionaries(st.text(max_size=12), json_values, max_size=4)


def virtual_message(body: str, **over: Any) -> dict[str, Any]:
    return {
        "body": body,
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {"task": "proj.add", "id": "1"},
        "properties": {"body_encoding": TEXT, "delivery_info": {"routing_key": "celery"}},
        **over,
    }


@given(bodies)
def test_a_body_survives_its_encoding(body: str | bytes) -> None:
    text, encoding = encode_body(body)

    decoded = decode_body(text, encoding)

    assert _as_bytes(decoded) == _as_bytes(body)


@given(st.text())
def test_a_text_is_written_in_the_shorter_form(body: str) -> None:
    text, encoding = encode_body(body)

    as_base64 = base64.b64encode(body.encode()).decode()

    assert len(json.dumps(text)) == min(len(json.dumps(body)), len(json.dumps(as_base64)))
    assert encoding in {TEXT, BASE64}


@given(bodies, headers)
def test_an_envelope_comes_back_as_it_was(body: str | bytes, some: dict[str, Any]) -> None:
    text, encoding = encode_body(body)
    message = virtual_message(
        text,
        headers=some,
        properties={"body_encoding": encoding, "delivery_info": {}, "priority": 0},
    )

    for as_base64 in (False, True):
        loaded = load_envelope(dump_envelope(message, as_base64=as_base64))
        assert loaded == json.loads(json.dumps(message))
        assert _as_bytes(decode_body(loaded["body"], encoding)) == _as_bytes(body)


@given(st.text())
def test_an_envelope_is_text_that_sqs_takes(body: str) -> None:
    written = dump_envelope(virtual_message(body))

    assert written.isascii()
    assert set(written) <= set(string.printable)


@given(st.binary(), st.booleans())
def test_both_forms_of_the_stock_transport_are_read(body: bytes, once_encoded: bool) -> None:
    # Built by kombu's own code: its body codec, its JSON, and base64 around the whole.
    stock = virtual_message(
        Base64().encode(body), properties={"body_encoding": BASE64, "delivery_info": {}}
    )
    written = kombu_dumps(stock)
    if not once_encoded:
        written = base64.b64encode(written.encode()).decode()

    loaded = load_envelope(written)

    assert loaded == stock
    assert decode_body(loaded["body"], loaded["properties"]["body_encoding"]) == body


@given(json_values)
def test_foreign_json_is_handed_on_as_it_is(value: Any) -> None:
    text = json.dumps({"detail": value})

    assert load_envelope(text) == {
        "body": text,
        "headers": {},
        "properties": {"delivery_info": {}},
    }


@given(
    st.one_of(
        st.text(),
        json_values.map(json.dumps),
        st.binary().map(lambda data: base64.b64encode(data).decode()),
    )
)
def test_nothing_makes_reading_raise(body: str) -> None:
    loaded = load_envelope(body)

    assert isinstance(loaded["properties"]["delivery_info"], dict)
    assert isinstance(loaded["headers"], dict)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "not json",
        "[" * 100_000,
        '{"__type__": "uuid", "__value__": 1}',
        '{"__type__": "decimal", "__value__": "x"}',
        '{"__type__": "bytes", "__value__": 1}',
        '{"__type__": [], "__value__": 1}',
        '{"properties": 1, "body": "x"}',
        '{"properties": {}}',
        '{"properties": {"delivery_info": 1}, "body": "x"}',
        '{"properties": {"delivery_info": {}}, "body": {"not": "text"}}',
        '{"properties": {"delivery_info": {}}, "body": "x", "headers": [1]}',
        '{"properties": {"delivery_info": {}, "body_encoding": 5}, "body": "x"}',
    ],
)
def test_what_is_no_envelope_becomes_the_body_of_one(body: str) -> None:
    assert load_envelope(body) == {
        "body": body,
        "headers": {},
        "properties": {"delivery_info": {}},
    }


def test_an_envelope_without_delivery_info_or_headers_is_one() -> None:
    loaded = load_envelope('{"properties": {"priority": 3}, "body": "[]"}')

    assert loaded["properties"] == {"priority": 3, "delivery_info": {}}
    assert (loaded["body"], loaded["headers"]) == ("[]", {})


def test_base64_that_nobody_would_write_is_text() -> None:
    # The last digit holds bits that no encoder sets; stock leaves such a text alone too.
    assert load_envelope("YR==")["body"] == "YR=="


@pytest.mark.parametrize("encoding", [None, "", "utf-8", "UTF-8"])
def test_a_text_body_needs_no_decoding(encoding: str | None) -> None:
    assert decode_body("[]", encoding) == "[]"


@pytest.mark.parametrize(("body", "encoding"), [("x", "rot13"), ("x", "base64"), ("é", "base64")])
def test_a_body_that_cannot_be_decoded_is_refused(body: str, encoding: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of binascii, or ours
        decode_body(body, encoding)


def _as_bytes(body: str | bytes) -> bytes:
    return body.encode() if isinstance(body, str) else body
