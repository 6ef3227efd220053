"""Smaller bodies, in the form that every kombu consumer reads.

kombu marks a compressed body by the header ``compression``, and undoes it in the constructor of
its ``Message``, whatever the transport: so the stock one reads what is compressed here. Facts:
kombu/message.py, kombu/compression.py.
"""

import json
from collections.abc import Mapping
from typing import Any

from kombu.compression import compress

from celery_aws.core.envelope import encode_body

#: Names the method, by its content type in kombu's registry.
HEADER = "compression"


def compressed(
    message: Mapping[str, Any], *, method: str | None, threshold_bytes: int
) -> Mapping[str, Any]:
    """Return a virtual message with its body compressed, if that is wanted and makes it smaller.

    Args:
        message: the virtual message, its body not encoded yet. Neither it nor its headers are
            changed: they are the publisher's, who may publish them again.
        method: a name in kombu's registry, or None for no compression.
        threshold_bytes: what a body may take up in the envelope without being compressed.
    """
    headers = message.get("headers") or {}
    if method is None or headers.get(HEADER):
        return message
    plain_bytes = _envelope_bytes(message["body"])
    if plain_bytes <= threshold_bytes:
        return message
    body, content_type = compress(message["body"], method)
    if _envelope_bytes(body) >= plain_bytes:
        return message
    return {**message, "body": body, "headers": {**headers, HEADER: content_type}}


def _envelope_bytes(body: str | bytes) -> int:
    text, _ = encode_body(body)
    return len(json.dumps(text))
