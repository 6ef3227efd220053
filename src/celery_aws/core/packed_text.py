"""Text that one process leaves for another: compressed, and read without trusting it.

It is read by threads that must not end, from queues and items that somebody else may have written:
so there is one way in which reading fails. Facts: kombu/utils/json.py ``object_hook``: whoever
registers a type brings its decoder, and that raises what it likes.
"""

import zlib
from typing import Any

from kombu.utils.json import loads

#: What a text may unpack to, in bytes: SQS takes 1 MiB, and what compresses better than 64 to 1
#: was not written by us.
UNPACKED_BYTES_MAX = 64 * 1_048_576


def pack_text(text: str) -> bytes:
    """Return a text, compressed."""
    return zlib.compress(text.encode())


def unpack_text(packed: bytes) -> str:
    """Undo :func:`pack_text`.

    Raises:
        ValueError: it is something else, is cut off, or has more than :data:`UNPACKED_BYTES_MAX`.
    """
    unpacker = zlib.decompressobj()
    try:
        content = unpacker.decompress(packed, UNPACKED_BYTES_MAX)
    except zlib.error as error:
        raise ValueError("it is not compressed") from error
    if not unpacker.eof:
        raise ValueError("it is cut off, or too large")
    return content.decode()


def read_json(text: str) -> Any:
    """Return what kombu's JSON says.

    Raises:
        ValueError: it is none, is nested too deeply, or its decoder of a type does not take it.
    """
    try:
        return loads(text)
    except Exception as error:
        raise ValueError(f"it is no JSON: {type(error).__name__}") from error
