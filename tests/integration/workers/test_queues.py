"""Several queues in one worker: none waits for the long poll or the backlog of another."""

import time

import pytest

from tests.integration.workers.conftest import PATIENCE_SECONDS, Project

pytestmark = pytest.mark.worker

#: A poll this long on the quiet queue would be seen in any test below.
LONG_POLL_SECONDS = 20


@pytest.mark.parametrize(
    ("pool", "concurrency", "multiplier"),
    [
        ("prefork", 2, 4),
        ("gevent", 4, 4),
        pytest.param("threads", 2, 1, marks=pytest.mark.soak),
        pytest.param("solo", 1, 1, marks=pytest.mark.soak),
    ],
)
def test_a_quiet_queue_does_not_hold_up_a_busy_one(
    project: Project, pool: str, concurrency: int, multiplier: int
) -> None:
    project.configure(
        worker_prefetch_multiplier=multiplier,
        broker_transport_options={
            "wait_time_seconds": LONG_POLL_SECONDS,
            "last_poll_wait_seconds": 0,
        },
    )
    client = project.client()
    with project.worker(pool=pool, concurrency=concurrency, queues=["quiet", "busy"]):
        began = time.monotonic()
        for i in range(10):
            result = client.send_task("proj.add", (i, i), queue="busy")
            assert result.get(timeout=PATIENCE_SECONDS) == 2 * i
        # Ten tasks one after another, each of which would wait for a poll of the quiet queue.
        assert time.monotonic() - began < LONG_POLL_SECONDS


def test_a_flooded_queue_does_not_hold_up_another(project: Project) -> None:
    client = project.client()
    flood = [
        client.send_task("proj.work", (0.02,), queue="flooded", ignore_result=True)
        for _ in range(400)
    ]
    with project.worker(pool="prefork", concurrency=2, queues=["flooded", "ticks"]) as worker:
        worker.wait_for_log(r"proj\.work\[.*succeeded")
        for i in range(3):
            result = client.send_task("proj.add", (i, i), queue="ticks")
            assert result.get(timeout=PATIENCE_SECONDS) == 2 * i
        drained = sum(f"[{task.id}] succeeded" in worker.log for task in flood)
        assert drained < len(flood), "the flood was over before the ticks were through"
        worker.kill()
