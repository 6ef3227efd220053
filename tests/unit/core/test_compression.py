import random
import string
from typing import Any

import pytest
from kombu.compression import decompress

from celery_aws.core.compression import compressed

COMPRESSIBLE = "[" + "0, " * 1000 + "0]"


def message(body: str | bytes, **headers: Any) -> dict[str, Any]:
    return {"body": body, "headers": headers, "properties": {}}


def noise(size: int) -> str:
    return "".join(random.Random(1).choices(string.ascii_letters + string.digits, k=size))


@pytest.mark.parametrize(
    ("method", "content_type"),
    [
        ("gzip", "application/x-gzip"),
        ("bzip2", "application/x-bz2"),
        ("lzma", "application/x-lzma"),
    ],
)
def test_a_large_body_is_compressed_as_kombu_does(method: str, content_type: str) -> None:
    plain = message(COMPRESSIBLE, task="t")

    small = compressed(plain, method=method, threshold_bytes=100)

    assert small["headers"] == {"task": "t", "compression": content_type}
    assert decompress(small["body"], small["headers"]["compression"]) == COMPRESSIBLE.encode()
    assert plain == message(COMPRESSIBLE, task="t"), "the publisher's own is left alone"


def test_a_binary_body_is_measured_as_the_text_that_it_becomes() -> None:
    plain = message(bytes(99))  # 132 characters in base64, between quotes

    assert compressed(plain, method="gzip", threshold_bytes=134) is plain
    assert compressed(plain, method="gzip", threshold_bytes=133) is not plain


@pytest.mark.parametrize(
    ("plain", "method"),
    [
        (message("[" + "0, " * 20 + "0]"), "gzip"),
        (message(COMPRESSIBLE), None),
        (message(COMPRESSIBLE, compression="application/x-bz2"), "gzip"),
        (message(noise(1000)), "gzip"),
    ],
    ids=["small", "not wanted", "compressed by the publisher", "no smaller"],
)
def test_the_rest_is_left_as_it_is(plain: dict[str, Any], method: str | None) -> None:
    assert compressed(plain, method=method, threshold_bytes=100) is plain


def test_a_message_without_headers_gets_the_one() -> None:
    plain = {"body": COMPRESSIBLE, "headers": None}

    small = compressed(plain, method="gzip", threshold_bytes=0)

    assert small["headers"] == {"compression": "application/x-gzip"}
