import pytest

from celery_aws.core.billing import billed_requests, read_units, write_units


@pytest.mark.parametrize(
    ("payload_bytes", "requests"),
    [(0, 1), (1, 1), (65_536, 1), (65_537, 2), (131_072, 2), (1_048_576, 16)],
)
def test_a_begun_chunk_is_billed_as_a_whole_one(payload_bytes: int, requests: int) -> None:
    assert billed_requests(payload_bytes) == requests


@pytest.mark.parametrize(
    ("item_bytes", "units"), [(0, 1), (1, 1), (1_024, 1), (1_025, 2), (409_600, 400)]
)
def test_a_write_unit_is_one_kilobyte_begun(item_bytes: int, units: int) -> None:
    assert write_units(item_bytes) == units


@pytest.mark.parametrize(
    ("read_bytes", "units"), [(0, 1), (1, 1), (4_096, 1), (4_097, 2), (1_048_576, 256)]
)
def test_a_read_unit_is_four_kilobytes_begun_and_half_if_it_may_be_stale(
    read_bytes: int, units: int
) -> None:
    assert read_units(read_bytes, consistent=True) == units
    assert read_units(read_bytes, consistent=False) == units / 2
