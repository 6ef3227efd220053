import pickle
from typing import Any

import pytest
from kombu.compression import compress
from kombu.serialization import dumps, register, unregister

from celery_aws.core.bodies import published_body, received_body
from celery_aws.core.envelope import encode_body, load_envelope
from tests.unit.core.publishing import SERIALIZERS

DATA = {"eta": "later", "args": ["ü", 1]}


def message(serializer: str = "json", compression: str | None = None) -> dict[str, Any]:
    """Return a virtual message on its way out, as kombu's Producer makes it."""
    content_type, content_encoding, body = dumps(DATA, serializer=serializer)
    headers = {}
    if compression:
        body, headers["compression"] = compress(body, compression)
    return {
        "body": body,
        "content-type": content_type,
        "content-encoding": content_encoding,
        "headers": headers,
        "properties": {"delivery_info": {}},
    }


def envelope(serializer: str = "json", compression: str | None = None) -> dict[str, Any]:
    """Return the same on its way in."""
    out = message(serializer, compression)
    body, encoding = encode_body(out["body"])
    return {**out, "body": body, "properties": {"delivery_info": {}, "body_encoding": encoding}}


@pytest.mark.parametrize("compression", [None, "gzip", "bzip2", "lzma"])
@pytest.mark.parametrize("serializer", SERIALIZERS)
def test_a_body_is_read_in_every_format(serializer: str, compression: str | None) -> None:
    assert published_body(message(serializer, compression), mentioning=b"eta") == DATA


@pytest.mark.parametrize("compression", [None, "gzip"])
@pytest.mark.parametrize("serializer", SERIALIZERS)
def test_what_is_received_is_read_if_it_is_json(serializer: str, compression: str | None) -> None:
    body = received_body(envelope(serializer, compression), mentioning=b"eta")

    assert body == (DATA if serializer == "json" else None)


@pytest.mark.parametrize("compression", [None, "gzip"])
def test_a_body_that_does_not_mention_it_is_not_decoded(compression: str | None) -> None:
    assert published_body(message(compression=compression), mentioning=b"task_id") is None
    assert received_body(envelope(compression=compression), mentioning=b"task_id") is None


def test_a_pickle_is_read_and_makes_nothing() -> None:
    class_in_it = {**message(), "content-type": "application/x-python-serialize"}
    class_in_it["body"] = pickle.dumps({"eta": "later", "args": [ValueError]})

    body = published_body(class_in_it, mentioning=b"eta")

    assert body["eta"] == "later"
    assert body["args"] != [ValueError]


def test_a_decoder_of_somebody_elses_is_not_called() -> None:
    called: list[Any] = []
    register("own", repr, called.append, "application/x-own")
    try:
        assert published_body(message("own"), mentioning=b"eta") is None
    finally:
        unregister("own")
    assert called == []


@pytest.mark.parametrize(
    "changes",
    [
        {"body": b'{"eta": '},
        {"body": b"\xffeta"},
        {"body": None},
        {"content-type": None},
        {"content-type": "application/x-python-serialize"},
        {"content-type": "application/x-yaml", "body": b"eta: ]"},
        {"headers": {"compression": "application/x-gzip"}},
        {"headers": {"compression": "application/x-unknown"}},
    ],
)
def test_what_cannot_be_read_is_nothing(changes: dict[str, Any]) -> None:
    assert published_body({**message(), **changes}, mentioning=b"eta") is None


@pytest.mark.parametrize(
    "changes",
    [
        {"body": "%%%", "properties": {"body_encoding": "base64"}},
        {"properties": {"body_encoding": "rot13"}},
        {"body": None},
        {"headers": {"compression": "application/x-gzip"}},
    ],
)
def test_what_cannot_be_read_of_what_is_received_is_nothing(changes: dict[str, Any]) -> None:
    assert received_body({**envelope(), **changes}, mentioning=b"eta") is None


def test_json_that_somebody_else_put_on_the_queue_is_nothing() -> None:
    assert received_body(load_envelope('{"eta": "later"}'), mentioning=b"eta") is None
