import pytest

from celery_aws.core.billing import billed_requests


@pytest.mark.parametrize(
    ("payload_bytes", "requests"),
    [(0, 1), (1, 1), (65_536, 1), (65_537, 2), (131_072, 2), (1_048_576, 16)],
)
def test_a_begun_chunk_is_billed_as_a_whole_one(payload_bytes: int, requests: int) -> None:
    assert billed_requests(payload_bytes) == requests
