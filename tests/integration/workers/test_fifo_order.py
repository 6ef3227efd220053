"""FIFO queues: the order of a group is kept through kills, and groups run side by side."""

from collections.abc import Sequence

import pytest

from tests.integration.workers.conftest import PATIENCE_SECONDS, RecordedProject, start_together
from tests.integration.workers.recording import Claim, Record, Run, all_ended

pytestmark = [pytest.mark.worker, pytest.mark.oldest]

QUEUE = "orders.fifo"
VISIBILITY_SECONDS = 2
TASK_SECONDS = 0.05


@pytest.mark.parametrize(
    ("groups", "tasks", "concurrency", "workers"),
    [(10, 6, 4, 2), pytest.param(50, 20, 8, 3, marks=pytest.mark.soak)],
)
def test_the_order_of_every_group_is_kept(
    recorded: RecordedProject, groups: int, tasks: int, concurrency: int, workers: int
) -> None:
    """All workers but one are killed on the way."""
    recorded.configure(
        worker_prefetch_multiplier=1,
        broker_transport_options={"visibility_timeout": VISIBILITY_SECONDS},
    )
    crew = [
        recorded.worker(name=f"w{i}", concurrency=concurrency, queues=[QUEUE])
        for i in range(workers)
    ]
    start_together(*crew)
    by_group = {
        f"g{group}": [f"g{group}-{number}" for number in range(tasks)] for group in range(groups)
    }
    for number in range(tasks):
        for group, task_ids in by_group.items():
            recorded.send(task_ids[number], TASK_SECONDS, queue=QUEUE, MessageGroupId=group)

    everything = [task_id for task_ids in by_group.values() for task_id in task_ids]
    for i, worker in enumerate(crew[1:], start=1):
        part = len(everything) * i // (workers + 1)
        assert recorded.recording.wait_for(ended_at_least(part), PATIENCE_SECONDS)
        worker.kill()
    all_in_time = recorded.recording.wait_for(all_ended(everything), PATIENCE_SECONDS)
    record = recorded.recording.record
    assert all_in_time, sorted(set(everything) - record.ended())
    assert recorded.wait_for_messages((0, 0), QUEUE) == (0, 0)

    assert [group for group, ids in by_group.items() if not in_order(record, ids)] == []
    # More than one worker can, and of one group never two.
    assert most_at_once(record.runs) > concurrency


def ended_at_least(count: int) -> Claim:
    return lambda record: len(record.ended()) >= count


def in_order(record: Record, task_ids: Sequence[str]) -> bool:
    """Tell whether each task has ended for good before the next one first started.

    One that was killed, or not acknowledged before the kill, may run once more; until it does,
    nothing else of its group may.
    """
    last_ends = [max(run.ended or 0.0 for run in record.of(task_id)) for task_id in task_ids]
    first_starts = [min(run.started for run in record.of(task_id)) for task_id in task_ids]
    return all(end <= start for end, start in zip(last_ends, first_starts[1:], strict=False))


def most_at_once(runs: Sequence[Run]) -> int:
    # One that was killed has no end: it counts for nothing.
    whole = [run for run in runs if run.ended is not None]
    return max(sum(run.covers(each.started) for run in whole) for each in whole)
