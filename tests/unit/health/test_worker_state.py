import json

import pytest

from celery_aws.health.worker_state import PoolState, WorkerState
from tests.unit.health.states import queue, state, task


def test_what_is_written_can_be_read() -> None:
    written = state(
        task=task(5.0, 60.0),
        queues=(
            queue(),
            queue("other", failing_seconds=3.0, error="ThrottledError"),
        ),
        pool=PoolState(kind="gevent", full=True, greenlets_age_seconds=0.2),
    )
    assert WorkerState.from_text(json.dumps(written.as_json())) == written


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "{}", '{"version": 2}', '{"version": 1}',
     json.dumps({**state().as_json(), "queues": [{"name": 1}]}),
     json.dumps({**state().as_json(), "unknown": 1})],
)  # fmt: skip
def test_anything_else_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        WorkerState.from_text(text)
