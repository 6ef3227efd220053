"""A result as one backend encodes it, for another to read.

Where both use one serializer it is left as it is, byte by byte; else it is encoded anew.
"""

from dataclasses import dataclass
from typing import Any

from kombu.utils.encoding import ensure_bytes


@dataclass(frozen=True, kw_only=True)
class Payload:
    """A result, or a group.

    Attributes:
        content: for the backend that it goes to.
        status: the task's state; None for a group.
    """

    content: bytes
    status: str | None


def payload_for(target: Any, source: Any, payload: bytes, *, is_group: bool) -> Payload | None:
    """Return a payload of one backend for another, or None if it cannot be read.

    Args:
        target: the backend that it goes to.
        source: the one that has encoded it.
        payload: a task's meta, or a group's.
        is_group: which of the two it must be.
    """
    try:
        meta = source.decode(payload)
        status = None if is_group else str(meta["status"])
        if "result" not in meta:
            return None
        if target.content_type == source.content_type:
            return Payload(content=payload, status=status)
        return Payload(content=_encoded_anew(target, source, meta), status=status)
    except Exception:  # noqa: BLE001 - a pickle may raise anything; the caller counts it
        return None


def _encoded_anew(target: Any, source: Any, meta: dict[str, Any]) -> bytes:
    result = meta["result"]
    if meta.get("status") in source.EXCEPTION_STATES:
        result = target.prepare_exception(source.exception_to_python(result))
    encoded: bytes = ensure_bytes(target.encode({**meta, "result": result}))
    return encoded
