import pytest

from celery_aws.core.canary import Flight, where_stuck
from celery_aws.core.queue_depth import QueueDepth


@pytest.mark.parametrize(
    ("depth", "words"),
    [
        (None, "cannot be asked"),
        (QueueDepth(visible=3, in_flight=2), "has 3 message(s) that no worker has taken"),
        (QueueDepth(in_flight=2, delayed=1), "workers have 2 message(s)"),
        (QueueDepth(delayed=1), "holds 1 message(s) back"),
        (QueueDepth(), "the same result backend"),
    ],
)
def test_how_full_the_queue_is_says_where_it_is(depth: QueueDepth | None, words: str) -> None:
    assert words in where_stuck(depth)


def test_a_flight_is_json() -> None:
    flight = Flight(
        queue="celery", task_id="1", came_back=False, milliseconds=9, depth=QueueDepth(visible=1)
    )
    assert flight.as_json()["depth"] == {"visible": 1, "in_flight": 0, "delayed": 0}
