import json
import zlib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from celery_aws.core import packed_text
from celery_aws.core.packed_text import pack_text, read_json, unpack_text
from tests.unit.core.controlling import WRONG_TEXTS


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_text_comes_back(text: str) -> None:
    assert unpack_text(pack_text(text)) == text


@pytest.mark.parametrize("cut", [1, 4, 5])
def test_what_is_cut_off_is_an_error(cut: int) -> None:
    # Up to four bytes of a checksum: its text is complete, and not checked.
    with pytest.raises(ValueError, match="cut off"):
        unpack_text(pack_text("a" * 100)[:-cut])


@given(st.binary(max_size=60))
def test_what_is_no_text_is_an_error_and_nothing_worse(content: bytes) -> None:
    for packed in (content, zlib.compress(b"\xff" + content)):
        with pytest.raises(ValueError, match=r"."):
            unpack_text(packed)


def test_a_bomb_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed_text, "UNPACKED_BYTES_MAX", 1_000)

    assert unpack_text(pack_text("a" * 1_000)) == "a" * 1_000
    with pytest.raises(ValueError, match="too large"):
        unpack_text(pack_text("a" * 1_001))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[" * 100_000,
        "9" * 5_000,
        '{"__type__": "decimal", "__value__": "no number"}',
        '{"__type__": "uuid", "__value__": 5}',
        '{"__type__": "bytes", "__value__": []}',
        '{"__type__": [], "__value__": 5}',
        '{"__type__": "nobody\\u0027s", "__value__": 5}',
    ],
    ids=lambda text: text[:20],
)
def test_what_is_no_json_of_kombus_is_an_error_and_nothing_worse(text: str) -> None:
    with pytest.raises(ValueError, match="no JSON"):
        read_json(text)


@given(WRONG_TEXTS)
def test_reading_fails_in_one_way(text: str) -> None:
    # Any other error fails the test.
    with suppress(ValueError):
        json.dumps(read_json(text), default=str)
