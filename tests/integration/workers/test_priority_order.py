"""Tasks of high priority overtake all that wait, but for what a worker has prefetched."""

import time

import pytest

from tests.integration.workers.conftest import PATIENCE_SECONDS, RecordedProject
from tests.integration.workers.recording import all_ended

pytestmark = [pytest.mark.worker, pytest.mark.oldest]

#: As on the Redis transport: 0 is the highest.
STEPS = [0, 3, 6, 9]
HIGH, LOW = 0, 9

TASK_SECONDS = 0.03
CONCURRENCY = 2
MULTIPLIER = 4

#: Until a worker hears of the first one: the local AWS answers a long poll within 0.1 s.
HEARD_SECONDS = 1.0


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
    sent_at = time.monotonic()
    for task_id in high:
        recorded.send(task_id, TASK_SECONDS, priority=HIGH)
    assert recorded.recording.wait_for(all_ended([*low, *high]), PATIENCE_SECONDS)

    record = recorded.recording.record
    heard_at = min(each.at for task_id in high for each in record.received(task_id))
    assert heard_at - sent_at < HEARD_SECONDS
    last_high_at = max(run.started for task_id in high for run in record.of(task_id))
    overtakers = [
        run.task_id
        for run in record.runs
        if run.task_id not in high and heard_at < run.started < last_high_at
    ]
    assert len(overtakers) <= CONCURRENCY * MULTIPLIER
    assert set(record.starts([*low, *high]).values()) == {1}
