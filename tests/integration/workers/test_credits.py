"""How many messages a worker takes: no more than it is allowed, and never late."""

import time
from itertools import pairwise

import pytest

from tests.integration.workers.conftest import PATIENCE_SECONDS, RecordedProject, start_together
from tests.integration.workers.recording import all_ended, all_started

pytestmark = pytest.mark.worker

#: How long a worker is watched while it must take nothing more.
WATCH_SECONDS = 1.5
LONG_SECONDS = 4.0

WAITING = 4


def most_in_flight(recorded: RecordedProject, queues: list[str]) -> dict[str, int]:
    """Return the most messages that were in flight on each queue, for a while."""
    most = dict.fromkeys(queues, 0)
    deadline = time.monotonic() + WATCH_SECONDS
    while time.monotonic() < deadline:
        for queue in queues:
            most[queue] = max(most[queue], recorded.messages(queue)[1])
        time.sleep(0.02)
    return most


def test_a_worker_with_one_slot_takes_no_second_message(recorded: RecordedProject) -> None:
    pools = ["prefork", "threads", "solo", "gevent"]
    recorded.configure(worker_prefetch_multiplier=1)
    running = [recorded.send(f"running-{pool}", LONG_SECONDS, queue=pool) for pool in pools]
    for pool in pools:
        for i in range(WAITING):
            recorded.send(f"{pool}-{i}", queue=pool)
    start_together(
        *(recorded.worker(pool=pool, concurrency=1, name=pool, queues=[pool]) for pool in pools)
    )
    assert recorded.recording.wait_for(all_started(running), PATIENCE_SECONDS)

    assert most_in_flight(recorded, pools) == dict.fromkeys(pools, 1)
    assert not recorded.recording.record.ended(), "the tasks were over too early to show it"


def test_without_prefetch_a_worker_takes_what_it_runs(recorded: RecordedProject) -> None:
    """Acknowledged early, what runs is not in flight; all that is would be prefetched."""
    recorded.configure(worker_disable_prefetch=True, worker_prefetch_multiplier=4)
    running = [recorded.send(f"running-{i}", LONG_SECONDS, task="early") for i in range(2)]
    waiting = [recorded.send(f"waiting-{i}", task="early") for i in range(WAITING)]
    recorded.worker(concurrency=2).start()
    assert recorded.recording.wait_for(all_started(running), PATIENCE_SECONDS)
    assert recorded.wait_for_messages((WAITING, 0), seconds=1.0) == (WAITING, 0)
    assert most_in_flight(recorded, ["celery"]) == {"celery": 0}
    assert recorded.messages() == (WAITING, 0)
    assert not recorded.recording.record.ended(), "the tasks were over too early to show it"
    # And it goes on when there are slots.
    assert recorded.recording.wait_for(all_ended(waiting), PATIENCE_SECONDS)


@pytest.mark.parametrize(("task", "disable_prefetch"), [("late", False), ("early", True)])
def test_short_tasks_do_not_stall(
    recorded: RecordedProject, task: str, disable_prefetch: bool
) -> None:
    """The stock transport sleeps for a second whenever it has all that it may take."""
    recorded.configure(worker_prefetch_multiplier=1, worker_disable_prefetch=disable_prefetch)
    short = [recorded.send(f"short-{i}", task=task) for i in range(100)]
    recorded.worker(concurrency=2).start()
    assert recorded.recording.wait_for(all_ended(short), PATIENCE_SECONDS)
    starts = sorted(run.started for run in recorded.recording.record.runs)
    assert max(after - before for before, after in pairwise(starts)) < 0.9
