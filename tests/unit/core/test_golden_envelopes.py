"""The stored format, byte for byte: a change here breaks workers in a rolling deploy."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from kombu.compression import decompress
from kombu.transport.virtual import Channel as VirtualChannel
from kombu.utils.json import dumps as kombu_dumps

from celery_aws.core.compression import compressed
from celery_aws.core.envelope import decode_body, dump_envelope, encode_body, load_envelope
from celery_aws.core.large_messages import POINTER_ATTRIBUTES, load_pointer, pointing
from celery_aws.core.messages import OutgoingMessage, S3Pointer

FOLDER = Path(__file__).parents[2] / "golden" / "envelopes"
FILES = {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}
POINTERS = {name: file for name, file in FILES.items() if "pointer" in file}
GOLDEN = {name: file for name, file in FILES.items() if "pointer" not in file}


@pytest.mark.parametrize("name", GOLDEN)
def test_every_form_is_read(name: str) -> None:
    golden = GOLDEN[name]

    loaded = load_envelope(golden["sqs_body"])

    assert loaded == golden["message"]
    body = decode_body(loaded["body"], loaded["properties"].get("body_encoding"))
    assert (body.encode() if isinstance(body, str) else body) == raw_body(golden)


@pytest.mark.parametrize("name", [name for name in GOLDEN if name.startswith("ours-")])
def test_ours_is_written_byte_for_byte(name: str) -> None:
    golden = GOLDEN[name]
    message = json.loads(json.dumps(golden["message"]))
    raw = raw_body(golden)

    text, encoding = encode_body(raw.decode() if name == "ours-json" else raw)
    message["body"], message["properties"]["body_encoding"] = text, encoding

    assert dump_envelope(message) == golden["sqs_body"]


@pytest.mark.parametrize(("name", "twice"), [("stock-base64", True), ("stock-plain", False)])
def test_the_stock_forms_are_what_kombu_writes(name: str, twice: bool) -> None:
    golden = GOLDEN[name]
    message = json.loads(json.dumps(golden["message"]))
    codec = VirtualChannel.codecs["base64"]
    message["body"] = codec.encode(raw_body(golden))

    written = kombu_dumps(message)

    assert golden["sqs_body"] == (base64.b64encode(written.encode()).decode() if twice else written)


def test_what_the_transport_compresses_is_what_kombu_would_have_compressed() -> None:
    golden = GOLDEN["ours-compressed-by-transport"]
    message = json.loads(json.dumps(golden["message"]))
    del message["headers"]["compression"]
    message["body"] = golden["plain_body"]

    made = compressed(message, method="gzip", threshold_bytes=0)

    assert made["headers"] == golden["message"]["headers"]
    # The bytes may differ with the zlib at hand; what counts is that either can be read.
    for body in (made["body"], raw_body(golden)):
        assert decompress(body, made["headers"]["compression"]).decode() == golden["plain_body"]


@pytest.mark.parametrize("name", POINTERS)
def test_every_pointer_is_read(name: str) -> None:
    golden = POINTERS[name]

    assert load_pointer(golden["sqs_body"]) == S3Pointer(**golden["pointer"])
    assert set(golden["message_attributes"]) <= set(POINTER_ATTRIBUTES)
    assert load_envelope(golden["object"]) == GOLDEN["ours-json"]["message"]


def test_our_pointer_is_written_byte_for_byte() -> None:
    golden = POINTERS["ours-pointer"]

    small = pointing(OutgoingMessage(body=golden["object"]), S3Pointer(**golden["pointer"]))

    assert small.body == golden["sqs_body"]
    assert small.message_attributes == golden["message_attributes"]


def test_there_is_a_file_for_every_form() -> None:
    assert set(FILES) == {
        "extended-client-legacy-pointer",
        "extended-client-pointer",
        "foreign-eventbridge",
        "ours-compressed",
        "ours-compressed-by-transport",
        "ours-json",
        "ours-pickle",
        "ours-pointer",
        "stock-base64",
        "stock-plain",
    }


def raw_body(golden: dict[str, Any]) -> bytes:
    return base64.b64decode(golden["body_base64"])
