"""What one process sends to the inbox of another: messages for its transient queues, and notices.

One parcel is the body of one SQS message, whatever number of queues and messages it is for; a
large one is compressed, because a thousand events are nearly the same text a thousand times.

The format is public: golden files hold it, CHANGELOG.md tells of changes.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from kombu.utils.json import dumps

from celery_aws.core.envelope import checked_envelope
from celery_aws.core.packed_text import pack_text, read_json, unpack_text

T = TypeVar("T")

#: Characters up to which a parcel is not worth compressing.
PLAIN_CHARACTERS = 4_096


@dataclass(frozen=True, kw_only=True)
class ParcelItem:
    """One message for queues of one inbox.

    Attributes:
        tokens: of the queues (:class:`celery_aws.core.routing.Binding`).
        message: the virtual message, its body encoded (:mod:`celery_aws.core.envelope`).
    """

    tokens: tuple[str, ...]
    message: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Parcel:
    """What goes into one SQS message.

    Attributes:
        items: messages, in order.
        changed: exchanges whose bindings are others now: what is known of them is out of date.
    """

    items: tuple[ParcelItem, ...] = ()
    changed: tuple[str, ...] = ()


def pack(parcel: Parcel) -> str:
    """Return the SQS body for a parcel, in ASCII; compressed if it is large and that is shorter."""
    content: dict[str, Any] = {}
    if parcel.items:
        content["messages"] = [[list(item.tokens), item.message] for item in parcel.items]
    if parcel.changed:
        content["changed"] = list(parcel.changed)
    plain = _json(content)
    if len(plain) <= PLAIN_CHARACTERS:
        return plain
    compressed = _json({"zlib": base64.b64encode(pack_text(plain)).decode("ascii")})
    return min(compressed, plain, key=len)


def unpack(body: str) -> Parcel:
    """Undo :func:`pack`.

    Raises:
        ValueError: it is something else, whatever that is; the text says nothing of its content.
    """
    content = _checked(read_json(body), dict)
    if "zlib" in content:
        packed = base64.b64decode(_checked(content["zlib"], str), validate=True)
        content = _checked(read_json(unpack_text(packed)), dict)
    return Parcel(
        items=tuple(map(_item, _checked(content.get("messages", []), list))),
        changed=_texts(content.get("changed", [])),
    )


def _json(content: Mapping[str, Any]) -> str:
    return str(dumps(content, separators=(",", ":")))


def _item(value: Any) -> ParcelItem:
    tokens, message = _checked(value, list)
    return ParcelItem(tokens=_texts(tokens), message=checked_envelope(message))


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(_checked(each, str) for each in _checked(value, list))


def _checked(value: Any, kind: type[T]) -> T:
    if not isinstance(value, kind):
        found = type(value).__name__
        raise ValueError(f"a {kind.__name__} is wanted, not a {found}")  # noqa: TRY004 - one error
    return value
