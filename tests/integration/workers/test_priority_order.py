"""Tasks of high priority overtake all that wait, but for what a worker has prefetched."""

import pytest

from tests.integration.workers.conftest import PATIENCE_SECONDS, RecordedProject
from tests.integration.workers.recording import all_ended

pytestmark = pytest.mark.worker

#: As on the Redis transport: 0 is the highest.
STEPS = [0, 3, 6, 9]
HIGH, LOW = 0, 9

TASK_SECONDS = 0.03
CONCURRENCY = 2
MULTIPLIER = 4


@pytest.mark.parametrize("low_tasks", [150, pytest.param(1000, marks=pytest.mark.soak)])
def test_high_priority_runs_next(recorded: RecordedProject, low_tasks: int) -> None:
    recorded.configure(
        worker_prefetch_multiplier=MULTIPLIER,
        broker_transport_options={"priority_steps": STEPS},
    )
    low = [f"low-{i}" for i in range(low_tasks)]
    high = [f"high-{i}" for i in range(10)]
    for task_id in low:
        recorded.send(task_id, TASK_SECONDS, priority=LOW)
    recorded.worker(concurrency=CONCURRENCY).start()
    assert recorded.recording.wait_for(lambda record: len(record.runs) >= 20, PATIENCE_SECONDS)
    for task_id in high:
        recorded.send(task_id, TASK_SECONDS, priority=HIGH)
    started = len(recorded.recording.record.runs)
    assert recorded.recording.wait_for(all_ended([*low, *high]), PATIENCE_SECONDS)

    order = [run.task_id for run in recorded.recording.record.runs]
    last_high = max(order.index(task_id) for task_id in high)
    overtakers = [task_id for task_id in order[started:last_high] if task_id in set(low)]
    assert len(overtakers) <= CONCURRENCY * MULTIPLIER, order[started : last_high + 1]
    assert len(order) == len(low) + len(high)
