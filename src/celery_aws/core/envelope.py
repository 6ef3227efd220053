"""The message envelope: kombu's virtual message as the body of an SQS message.

Written once encoded: a text body (JSON, YAML) stays text inside the JSON envelope, a binary
one (pickle, msgpack, compressed) becomes base64. Stock encodes twice, which costs a third of
the size limit and of the bill. Read are all forms: ours, both of the stock transport, and
JSON that somebody else put on the queue, which is handed on as stock does.

The format is public: golden files hold it, CHANGELOG.md tells of changes. Facts:
kombu/transport/virtual/base.py (``Message``, ``encode_body``), kombu/transport/SQS/__init__.py
(``_put``, ``_message_to_python``).
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from typing import Any

from kombu.utils.json import dumps

from celery_aws.core.packed_text import read_json

TEXT = "utf-8"
BASE64 = "base64"

_BASE64_TEXT = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")


def encode_body(body: str | bytes) -> tuple[str, str]:
    """Return the body as text for the envelope, and the name of its encoding.

    Args:
        body: what the serializer (and compression) made of the task.

    Returns:
        The text and ``utf-8`` or ``base64``, whichever is shorter for a text body.
    """
    encoded = body.encode() if isinstance(body, str) else body
    # JSON escapes quotes, control characters and all that is not ASCII; base64 makes 4
    # characters of 3 bytes, and two quotes go around either.
    if isinstance(body, str) and len(json.dumps(body)) <= 4 * -(-len(encoded) // 3) + 2:
        return body, TEXT
    return base64.b64encode(encoded).decode("ascii"), BASE64


def decode_body(body: str | bytes, encoding: str | None) -> str | bytes:
    """Undo :func:`encode_body`.

    Raises:
        ValueError: the text is not valid base64, or the encoding has another name.
    """
    if not encoding or encoding.lower() == TEXT:
        return body
    if encoding.lower() != BASE64:
        raise ValueError(f"unknown body_encoding {encoding!r}")
    return base64.b64decode(body)


def dump_envelope(message: Mapping[str, Any], *, as_base64: bool = False) -> str:
    """Return the SQS body for a virtual message.

    Args:
        message: ``body``, ``headers``, ``properties``, ``content-type``, ``content-encoding``.
        as_base64: encode the whole once more, as the stock transport does by default.

    Returns:
        ASCII text, so that no character is one that SQS refuses.
    """
    text = str(dumps(message))
    return base64.b64encode(text.encode()).decode("ascii") if as_base64 else text


def load_envelope(body: str) -> dict[str, Any]:
    """Return the virtual message for an SQS body, whoever wrote it.

    What is not an envelope becomes the body of one without headers, so that Celery reports it
    as an unknown message; nothing makes this raise, or one message could end every worker that
    receives it. ``headers`` and ``properties["delivery_info"]`` are always there.
    """
    text = _without_outer_base64(body)
    try:
        return checked_envelope(read_json(text))
    except ValueError:
        return {"body": text, "properties": {"delivery_info": {}}, "headers": {}}


def checked_envelope(payload: Any) -> dict[str, Any]:
    """Return a virtual message that somebody else made, if it is one.

    Args:
        payload: what its JSON was read as.

    Returns:
        The same with ``headers`` and ``properties["delivery_info"]``, which may be missing.

    Raises:
        ValueError: it has no body, or a part that is read later is of another type.
    """
    if not _is_envelope(payload):
        raise ValueError("it is no virtual message")
    properties = {"delivery_info": {}, **payload["properties"]}
    return {**payload, "headers": payload.get("headers") or {}, "properties": properties}


def _without_outer_base64(body: str) -> str:
    candidate = body.strip()
    if not candidate or _BASE64_TEXT.fullmatch(candidate) is None:
        return body
    try:
        decoded = base64.b64decode(candidate, validate=True)
        text = decoded.decode()
    except (binascii.Error, UnicodeDecodeError):
        return body
    return text if base64.b64encode(decoded).decode("ascii") == candidate else body


def _is_envelope(payload: Any) -> bool:
    """Tell whether every part that is read later has the type that it is read as."""
    if not isinstance(payload, dict) or "body" not in payload:
        return False
    properties = payload.get("properties")
    return (
        isinstance(properties, dict)
        and isinstance(properties.get("delivery_info", {}), dict)
        and isinstance(properties.get("body_encoding"), str | None)
        and isinstance(payload.get("headers"), dict | None)
        and isinstance(payload["body"], str | None)
    )
