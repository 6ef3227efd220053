"""A message stays with the worker that holds it, however long: it runs once.

The workers of a test run at once, each on a queue of its own: nearly all of the time is waiting.
"""

import signal
import time
from typing import Any

import pytest

from celery_aws.testing import WorkerProcess
from tests.integration.workers.conftest import (
    EVENTLET_ENDS_CLEAN,
    RecordedProject,
    start_together,
)
from tests.integration.workers.recording import all_ended, all_started

pytestmark = pytest.mark.worker

POOLS = ["prefork", "threads", "solo", "gevent", "eventlet"]

VISIBILITY_SECONDS = 2

#: Three times the visibility timeout.
LONG_SECONDS = 6.0

#: How late anything here may be, on a machine with other work to do.
SLACK_SECONDS = 10.0


def pool_worker(recorded: RecordedProject, pool: str, **options: Any) -> WorkerProcess:
    return recorded.worker(pool=pool, name=pool, queues=[pool], **options)


@pytest.mark.oldest
def test_everything_that_a_worker_holds_runs_once(recorded: RecordedProject) -> None:
    recorded.configure(broker_transport_options={"visibility_timeout": VISIBILITY_SECONDS})
    long = [recorded.send(f"long-{pool}", LONG_SECONDS, queue=pool) for pool in POOLS]
    # Received at once, and then waiting for the only slot of a worker.
    waiting = [recorded.send(f"waiting-{i}", LONG_SECONDS / 2, queue="waiting") for i in range(3)]
    # Received at once, and then kept by the worker's timer.
    held = [recorded.send("eta", queue="held", countdown=2.5 * VISIBILITY_SECONDS)]
    held += [recorded.send(f"limited-{i}", queue="held", task="limited") for i in range(3)]

    start_together(
        *(pool_worker(recorded, pool) for pool in POOLS),
        recorded.worker(concurrency=1, name="waiting", queues=["waiting"]),
        recorded.worker(concurrency=2, name="held", queues=["held"]),
    )
    sent = [*long, *waiting, *held]
    in_time = recorded.recording.wait_for(all_ended(sent), 3 * LONG_SECONDS / 2 + SLACK_SECONDS)
    assert in_time, recorded.recording.record
    # Nothing may happen for two timeouts; there is no other sign of that than the time.
    time.sleep(2 * VISIBILITY_SECONDS)

    assert recorded.recording.record.starts(sent) == dict.fromkeys(sent, 1)
    queues = [*POOLS, "waiting", "held"]
    assert {queue: recorded.messages(queue) for queue in queues} == dict.fromkeys(queues, (0, 0))


@pytest.mark.parametrize(
    ("visibility_seconds", "task_seconds"),
    [(2, 5.0), pytest.param(5, 40.0, marks=pytest.mark.soak)],
)
def test_tasks_that_run_on_in_a_warm_shutdown_run_once(
    recorded: RecordedProject, visibility_seconds: int, task_seconds: float
) -> None:
    recorded.configure(broker_transport_options={"visibility_timeout": visibility_seconds})
    running = [recorded.send(f"running-{pool}", task_seconds, queue=pool) for pool in POOLS]
    # Shows that nobody else gets them: a worker with a slot for each.
    other = recorded.worker(pool="threads", concurrency=10, name="other", queues=POOLS)
    leaving = [
        pool_worker(recorded, pool, stop_timeout_seconds=task_seconds + SLACK_SECONDS)
        for pool in POOLS
    ]
    start_together(*leaving)
    assert recorded.recording.wait_for(all_started(running), SLACK_SECONDS)
    for worker in leaving:
        worker.send_signal(signal.SIGTERM)
    # Not before: what it held would be the other's by right.
    other.start()

    codes = {pool: worker.wait() for pool, worker in zip(POOLS, leaving, strict=True)}
    assert recorded.recording.record.starts(running) == dict.fromkeys(running, 1)
    assert recorded.recording.record.ended() == set(running)
    assert codes == {**dict.fromkeys(POOLS, 0), "eventlet": 0 if EVENTLET_ENDS_CLEAN else 1}
    for pool in POOLS:
        assert recorded.wait_for_messages((0, 0), pool, 2 * visibility_seconds) == (0, 0), pool
