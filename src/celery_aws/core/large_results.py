"""Results that do not fit into an item of DynamoDB: what is stored in their place. Pure, no AWS.

The *head* is the item under the task's key, as for any result, and says where the result is: in
itself, compressed; in several items, its *pieces*; or in S3. Pieces are written before the head,
under keys with a version that nobody else uses, and never changed. So who writes the head shows
all of a result at once, and who finds a piece missing has read a head that was replaced.

The format is public: golden files hold it, CHANGELOG.md tells of changes. Facts on sizes: "Quotas
in Amazon DynamoDB", and "Best practices for storing large items and attributes in DynamoDB".
"""

import zlib
from dataclasses import dataclass, field
from typing import TypeAlias

from celery_aws.core.attributes import (
    Item,
    binary,
    binary_of,
    item_bytes,
    number,
    number_of,
    text,
    text_of,
)
from celery_aws.core.messages import S3Pointer
from celery_aws.limits import DYNAMODB_ITEM_BYTES
from celery_aws.names import BucketName, ObjectKey

FORMAT = "large_format"
PAYLOAD_BYTES = "payload_bytes"
COMPRESSION = "compression"
CONTENT = "content"
VERSION = "version"
PIECES = "pieces"
BUCKET = "bucket"
OBJECT_KEY = "object_key"

#: The format that this package writes.
FORMAT_NUMBER = 1

ZLIB = "zlib"

#: Bytes of an item that are left free for attributes of others.
MARGIN_BYTES = 4_096

#: Bytes of a piece. Its item is 256 KB with its key: 25 of them, one request, are 6.4 MB of the
#: 16 MB that BatchWriteItem and BatchGetItem take, and one is a quarter of what a partition takes
#: in a second, so that a table under load takes it soon.
PIECE_BYTES = 256 * 1_024 - 512

#: How much longer than its head a piece lives: one that expired first would be missed. Clocks
#: differ, and the head is written last.
PIECE_EXTRA_LIFE_SECONDS = 3_600

#: What Celery 5.7 puts in front of a result that it has compressed (celery/backends/base.py).
_COMPRESSED_BY_CELERY = b"\x00celery-compressed\x00"


@dataclass(frozen=True)
class InItem:
    """The result is in the head."""

    content: bytes = field(repr=False)


@dataclass(frozen=True)
class InPieces:
    """The result is in other items (:func:`piece_ids`)."""

    version: str
    count: int


#: Where a large result is.
Place: TypeAlias = InItem | InPieces | S3Pointer


@dataclass(frozen=True, kw_only=True)
class LargeResult:
    """What a head says.

    Attributes:
        payload_bytes: size of the result, not compressed.
        is_compressed: what is stored is compressed by zlib.
        place: where that is.
    """

    payload_bytes: int
    is_compressed: bool
    place: Place


def room_bytes(item: Item) -> int:
    """Return how many bytes of a result an item takes beside what it has."""
    return DYNAMODB_ITEM_BYTES - MARGIN_BYTES - item_bytes(item)


def shrunk(payload: bytes) -> tuple[bytes, bool]:
    """Return what to store of a result: it or, if that is smaller, it compressed; and which."""
    if payload.startswith(_COMPRESSED_BY_CELERY):
        return payload, False
    compressed = zlib.compress(payload)
    if len(compressed) < len(payload):
        return compressed, True
    return payload, False


def pieces_for(content: bytes, version: str) -> InPieces:
    """Return where the pieces of what is stored go, under a version of their own."""
    return InPieces(version, -(-len(content) // PIECE_BYTES))


def split(content: bytes) -> list[bytes]:
    """Return the pieces of what is stored, in order."""
    return [content[start : start + PIECE_BYTES] for start in range(0, len(content), PIECE_BYTES)]


def piece_ids(head_id: str, place: InPieces) -> list[str]:
    """Return the ids of the pieces of a head, in order.

    The head's own id is in each of them: whatever a head says, it has no pieces of others.
    """
    return [f"{head_id}#piece#{place.version}#{number:05}" for number in range(place.count)]


def payload_of(large: LargeResult, content: bytes) -> bytes:
    """Return the result.

    Args:
        large: what its head says.
        content: what is stored, of all pieces together.

    Raises:
        ValueError: it is not what was written.
    """
    if large.is_compressed:
        content = _unpacked(content, large.payload_bytes)
    if len(content) != large.payload_bytes:
        raise ValueError(f"{len(content)} bytes are stored of {large.payload_bytes}")
    return content


def head_attributes(large: LargeResult) -> Item:
    """Return what a head has beside the attributes of any result."""
    facts = {FORMAT: number(FORMAT_NUMBER), PAYLOAD_BYTES: number(large.payload_bytes)}
    if large.is_compressed:
        facts[COMPRESSION] = text(ZLIB)
    match large.place:
        case InItem(content):
            return {**facts, CONTENT: binary(content)}
        case InPieces(version, count):
            return {**facts, VERSION: text(version), PIECES: number(count)}
        case S3Pointer(bucket=bucket, key=key):
            return {**facts, BUCKET: text(bucket), OBJECT_KEY: text(key)}


def is_large(item: Item) -> bool:
    """Tell whether an item is the head of a large result."""
    return FORMAT in item


def large_result_of(head: Item) -> LargeResult:
    """Undo :func:`head_attributes`.

    Raises:
        ValueError: it is something else.
    """
    if number_of(head, FORMAT) != FORMAT_NUMBER:
        raise ValueError(f"{FORMAT} is not {FORMAT_NUMBER}: a newer version wrote it")
    compression = text_of(head, COMPRESSION)
    if compression not in (None, ZLIB):
        raise ValueError(f"{COMPRESSION} is {compression!r}")
    size = number_of(head, PAYLOAD_BYTES)
    place = _place_of(head)
    if size is None or size < 0 or place is None:
        raise ValueError("attributes are missing or wrong")
    return LargeResult(payload_bytes=int(size), is_compressed=compression == ZLIB, place=place)


def _place_of(head: Item) -> Place | None:
    content = binary_of(head, CONTENT)
    if content is not None:
        return InItem(content)
    version, count = text_of(head, VERSION), number_of(head, PIECES)
    if version is not None and count is not None:
        return InPieces(version, int(count))
    bucket, key = text_of(head, BUCKET), text_of(head, OBJECT_KEY)
    if bucket is not None and key is not None:
        return S3Pointer(bucket=BucketName(bucket), key=ObjectKey(key))
    return None


def _unpacked(content: bytes, most_bytes: int) -> bytes:
    unpacker = zlib.decompressobj()
    try:
        # One byte more than there is to be, so that the end of the data is met.
        payload = unpacker.decompress(content, most_bytes + 1)
    except zlib.error as error:
        raise ValueError("it is not compressed") from error
    if not unpacker.eof:
        raise ValueError("it is cut off, or too large")
    return payload
