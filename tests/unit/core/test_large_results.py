import random
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from celery_aws.core.attributes import Item, binary, item_bytes, number, text
from celery_aws.core.large_results import (
    MARGIN_BYTES,
    PIECE_BYTES,
    InItem,
    InPieces,
    LargeResult,
    Place,
    head_attributes,
    is_large,
    large_result_of,
    payload_of,
    piece_ids,
    pieces_for,
    room_bytes,
    shrunk,
    split,
)
from celery_aws.core.messages import S3Pointer
from celery_aws.limits import (
    DYNAMODB_BATCH_WRITE_BYTES,
    DYNAMODB_BATCH_WRITE_ENTRIES,
    DYNAMODB_ITEM_BYTES,
    DYNAMODB_WRITE_UNIT_BYTES,
)
from celery_aws.names import BucketName, ObjectKey

POINTER = S3Pointer(bucket=BucketName("my-bucket"), key=ObjectKey("results/1"))
PLACES = [InItem(b"\x00content"), InPieces("v1", 3), POINTER]


def noise(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def large(place: Place, *, payload_bytes: int = 7, is_compressed: bool = False) -> LargeResult:
    return LargeResult(payload_bytes=payload_bytes, is_compressed=is_compressed, place=place)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("is_compressed", [True, False])
def test_a_head_says_what_was_put_into_it(place: Place, is_compressed: bool) -> None:
    written = large(place, is_compressed=is_compressed)
    head = {"id": text("a"), **head_attributes(written)}
    assert is_large(head)
    assert large_result_of(head) == written


@pytest.mark.parametrize("place", PLACES)
def test_what_a_head_has_fits_into_the_margin(place: Place) -> None:
    head = head_attributes(large(place, is_compressed=True))
    content = len(place.content) if isinstance(place, InItem) else 0
    assert item_bytes(head) - content < MARGIN_BYTES / 2


@pytest.mark.parametrize(
    "changes",
    [
        {"large_format": number(2)},
        {"large_format": text("1")},
        {"compression": text("zstd")},
        {"payload_bytes": text("7")},
        {"payload_bytes": number(-1)},
        {"content": text("no bytes")},
    ],
)
def test_what_is_no_head_of_ours_is_a_value_error(changes: Item) -> None:
    head: dict[str, Any] = {**head_attributes(large(InItem(b"x"))), **changes}
    with pytest.raises(ValueError, match=r"newer|compression|missing"):
        large_result_of(head)


@pytest.mark.parametrize("given_up", ["version", "pieces", "bucket", "object_key"])
def test_half_a_place_is_none(given_up: str) -> None:
    place = InPieces("v", 1) if given_up in ("version", "pieces") else POINTER
    head = {
        name: value for name, value in head_attributes(large(place)).items() if name != given_up
    }
    with pytest.raises(ValueError, match="missing"):
        large_result_of(head)


def test_a_small_item_is_no_head() -> None:
    assert not is_large({"id": text("a"), "result": binary(b"x")})


@given(st.integers(0, 3), st.integers(-2, 2))
def test_pieces_are_of_one_size_but_the_last(whole: int, more: int) -> None:
    content = noise(max(0, whole * PIECE_BYTES + more))
    pieces = split(content)
    assert b"".join(pieces) == content
    assert all(len(piece) == PIECE_BYTES for piece in pieces[:-1])
    assert pieces_for(content, "v").count == len(pieces)


def test_a_piece_costs_256_units_and_many_fit_into_a_request() -> None:
    (piece_id,) = piece_ids("b'celery-task-meta-01234567-89ab-cdef-0123-456789abcdef'",
                            InPieces("01234567-89ab-cdef-0123-456789abcdef", 1))  # fmt: skip
    item = {
        "id": text(piece_id),
        "piece": binary(noise(PIECE_BYTES)),
        "timestamp": number(1773500966.535897),
        "ttl": number(1773500966),
    }
    assert 255 * DYNAMODB_WRITE_UNIT_BYTES < item_bytes(item) <= 256 * DYNAMODB_WRITE_UNIT_BYTES
    assert item_bytes(item) * DYNAMODB_BATCH_WRITE_ENTRIES * 2 < DYNAMODB_BATCH_WRITE_BYTES


def test_the_ids_of_pieces_have_the_heads_id_and_version_in_them() -> None:
    assert piece_ids("b'key'", InPieces("v1", 2)) == [
        "b'key'#piece#v1#00000",
        "b'key'#piece#v1#00001",
    ]


@pytest.mark.parametrize("size", [0, 1, 100_000])
def test_what_can_be_compressed_is(size: int) -> None:
    payload = b"row;" * size
    content, is_compressed = shrunk(payload)
    assert is_compressed is (size > 1)
    shown = large(InItem(b""), payload_bytes=len(payload), is_compressed=is_compressed)
    assert payload_of(shown, content) == payload


def test_noise_is_kept_as_it_is() -> None:
    assert shrunk(noise(10_000)) == (noise(10_000), False)


def test_what_celery_has_compressed_is_not_compressed_again() -> None:
    payload = b"\x00celery-compressed\x00application/x-gzip\x00" + b"0" * 10_000
    assert shrunk(payload) == (payload, False)


@pytest.mark.parametrize(
    ("content", "is_compressed", "words"),
    [
        (b"", False, "0 bytes are stored of 7"),
        (b"12345678", False, "8 bytes are stored of 7"),
        (b"1234567", True, "not compressed"),
        (zlib.compress(b"1234567")[:-1], True, "cut off"),
        (zlib.compress(b"12345678"), True, "8 bytes are stored of 7|too large"),
        (zlib.compress(b"0" * 10_000_000), True, "too large"),
        (zlib.compress(b"123456"), True, "6 bytes are stored of 7"),
    ],
)
def test_what_is_not_what_was_written(content: bytes, is_compressed: bool, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        payload_of(large(InItem(content), is_compressed=is_compressed), content)


def test_an_item_takes_what_its_attributes_and_the_margin_leave() -> None:
    item = {"id": text("b'1'"), "status": text("SUCCESS"), "result": binary(b"")}
    room = room_bytes(item)
    full = item_bytes({**item, "result": binary(b"x" * room)})
    assert full == DYNAMODB_ITEM_BYTES - MARGIN_BYTES
