"""A message in a queue of the cloud, and how it is written down for a receiver."""

import json
from base64 import b64decode
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from hashlib import md5
from struct import pack
from typing import Any

_SENDER = "AIDATESTTESTTESTTESTT"

#: In the MD5 of message attributes: how a value is carried.
_STRING, _BINARY = b"\x01", b"\x02"


@dataclass(slots=True, eq=False)
class Message:
    """A message.

    Attributes:
        written_body: the body as a JSON string, quotes included, written once.
        size_bytes: of body and attributes, as SQS bills them.
        group, deduplication: ids as they were sent; a sequence number has what is in a FIFO queue.
        hidden: it is in flight or delayed.
        turn: grows with each change of its visibility.
    """

    identifier: str
    written_body: str
    body_md5: str
    attributes: Mapping[str, Any]
    size_bytes: int
    sent_milliseconds: int
    group: str | None = None
    deduplication: str | None = None
    sequence: int | None = None
    receives: int = 0
    first_received_milliseconds: int = 0
    hidden: bool = False
    turn: int = 0

    @property
    def handle(self) -> str:
        """The receipt handle of its latest receive."""
        return f"{self.identifier}#{self.receives}"

    def written(self, system: Collection[str], attributes: Collection[str]) -> str:
        """Return it as JSON.

        Args:
            system: the attributes of SQS's own that are wanted, or ``All``.
            attributes: the sender's that are wanted, or ``All``.
        """
        parts = [f'"MessageId":"{self.identifier}","ReceiptHandle":"{self.handle}"']
        parts.append(f'"MD5OfBody":"{self.body_md5}","Body":{self.written_body}')
        if system:
            parts.append(f'"Attributes":{json.dumps(self._system(system))}')
        if attributes and self.attributes:
            wanted = _only(self.attributes, attributes)
            parts.append(f'"MessageAttributes":{json.dumps(wanted)}')
            parts.append(f'"MD5OfMessageAttributes":"{attributes_md5(wanted)}"')
        return "{" + ",".join(parts) + "}"

    def _system(self, names: Collection[str]) -> dict[str, str]:
        found = {
            "SenderId": _SENDER,
            "SentTimestamp": str(self.sent_milliseconds),
            "ApproximateReceiveCount": str(self.receives),
            "ApproximateFirstReceiveTimestamp": str(self.first_received_milliseconds),
        }
        if self.group is not None:
            found["MessageGroupId"] = self.group
        if self.sequence is not None:
            found["SequenceNumber"] = sequence_number(self.sequence)
            found["MessageDeduplicationId"] = self.deduplication or ""
        return dict(_only(found, names))


def sequence_number(number: int) -> str:
    """Return a sequence number as SQS writes it."""
    return f"{number:020}"


def body_md5(body: str) -> str:
    """Return the MD5 that a sender expects to be told."""
    return md5(body.encode(), usedforsecurity=False).hexdigest()


def attributes_md5(attributes: Mapping[str, Any]) -> str:
    """Return the MD5 of message attributes ("Amazon SQS message metadata", developer guide)."""
    parts = []
    for name in sorted(attributes):
        value = attributes[name]
        parts += [_with_length(name.encode()), _with_length(value["DataType"].encode())]
        if "StringValue" in value:
            parts += [_STRING, _with_length(value["StringValue"].encode())]
        else:
            parts += [_BINARY, _with_length(b64decode(value["BinaryValue"]))]
    return md5(b"".join(parts), usedforsecurity=False).hexdigest()


def size_bytes(body: str, attributes: Mapping[str, Any]) -> int:
    """Return what counts against SQS's limits and for its bill."""
    size = len(body.encode())
    for name, value in attributes.items():
        content = value.get("StringValue") or value.get("BinaryValue") or ""
        size += len(name.encode()) + len(value["DataType"]) + len(content.encode())
    return size


def _only(found: Mapping[str, Any], names: Collection[str]) -> Mapping[str, Any]:
    if "All" in names or ".*" in names:
        return found
    return {name: value for name, value in found.items() if name in names}


def _with_length(content: bytes) -> bytes:
    return pack(">I", len(content)) + content
