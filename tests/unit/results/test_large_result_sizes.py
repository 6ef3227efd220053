"""Results of every size around the limits come back, whatever was there before."""

from hypothesis import given, settings
from hypothesis import strategies as st

from celery_aws.core.attributes import item_bytes
from celery_aws.core.large_results import PIECE_BYTES, room_bytes
from celery_aws.limits import DYNAMODB_ITEM_BYTES
from celery_aws.results.items import result_item
from celery_aws.testing.clock import FakeClock
from tests.unit.results.conftest import TABLE
from tests.unit.results.large_scene import Scene, noise
from tests.unit.results.test_store import KEY

ROOM_BYTES = room_bytes(
    result_item(KEY, b"", now=FakeClock().now(), life_seconds=None, status="FAILURE")
)
EDGES = [0, ROOM_BYTES, DYNAMODB_ITEM_BYTES, *(PIECE_BYTES * pieces for pieces in (1, 2, 3, 5))]


@st.composite
def payloads(draw: st.DrawFn) -> bytes:
    """Noise around the limits, as it is or inside of what compresses to about as much."""
    size = max(1, draw(st.sampled_from(EDGES)) + draw(st.integers(-3, 3)))
    padding = draw(st.sampled_from([0, 1, 1_000_000]))
    return noise(size, draw(st.integers(0, 3))) + b"-" * padding


@settings(max_examples=60, deadline=None)
@given(st.booleans(), st.lists(payloads(), min_size=1, max_size=4))
def test_any_size_over_any_other(has_bucket: bool, written: list[bytes]) -> None:
    scene = Scene(has_bucket=has_bucket)
    for payload in written:
        assert scene.store.write_state(
            KEY, payload, status="FAILURE", life_seconds=None, status_of=lambda _: ""
        )
        assert scene.read() == payload
        assert scene.unused() == 0
        sizes = [item_bytes(item) for item in scene.tables.items(TABLE)]
        assert max(sizes) <= DYNAMODB_ITEM_BYTES
    scene.store.delete(KEY)
    assert scene.tables.items(TABLE) == []
    assert scene.unused() == 0
