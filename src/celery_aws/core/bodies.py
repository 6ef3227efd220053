"""What is in the body of a virtual message, read by the broker and not by a worker.

Only for the few messages that say in their body what the broker must know: tasks of protocol 1
and control commands. A body is data here, whoever made it: pickles are read without their classes,
and a format that kombu does not bring along is not read at all, because its decoder may run what
it is given. Facts: kombu/serialization.py, kombu/message.py (compression first, then content).
"""

from collections.abc import Mapping
from typing import Any

from kombu.compression import decompress
from kombu.serialization import loads

from celery_aws.core.compression import HEADER
from celery_aws.core.envelope import decode_body
from celery_aws.core.inert_pickle import load_inert

JSON = "application/json"
PICKLE = "application/x-python-serialize"

#: Each of them writes the keys of a dict as they are.
_READABLE = frozenset({JSON, PICKLE, "application/x-msgpack", "application/x-yaml"})


def published_body(message: Mapping[str, Any], *, mentioning: bytes) -> Any:
    """Return the decoded body of a virtual message on its way out.

    Args:
        message: the virtual message, its body not encoded for the envelope yet.
        mentioning: the body is only decoded if these bytes are in it.

    Returns:
        The body, or None if it does not mention the bytes or cannot be read. What is of no built-in
        type in a pickle is an :class:`celery_aws.core.inert_pickle.Inert`.
    """
    if message.get("content-type") not in _READABLE:
        return None
    return _loaded(message, message.get("body"), mentioning)


def received_body(envelope: Mapping[str, Any], *, mentioning: bytes) -> Any:
    """Return the decoded body of an envelope on its way in, if it is JSON.

    Args:
        envelope: from :func:`celery_aws.core.envelope.load_envelope`.
        mentioning: as for :func:`published_body`.
    """
    if envelope.get("content-type") != JSON:
        return None
    encoding = (envelope.get("properties") or {}).get("body_encoding")
    try:
        body = decode_body(envelope.get("body") or "", encoding)
    except ValueError:  # neither base64 nor an encoding of ours: the worker reports it
        return None
    return _loaded(envelope, body, mentioning)


def _loaded(message: Mapping[str, Any], body: str | bytes | None, mentioning: bytes) -> Any:
    compression = (message.get("headers") or {}).get(HEADER)
    content_type = message["content-type"]
    try:
        raw = body.encode() if isinstance(body, str) else bytes(body or b"")
        raw = decompress(raw, compression) if compression else raw
        if mentioning not in raw:
            return None
        if content_type == PICKLE:
            return load_inert(raw)
        # Its publisher may write what this process does not accept as a consumer.
        return loads(raw, content_type, "utf-8", accept=(content_type,))
    except Exception:  # noqa: BLE001 - each format and compression raises what it likes; all mean
        # that the body is not what its content type says, which is the worker's to report.
        return None
