"""The main job in every pool: tasks run once, results come back, the worker ends clean."""

import pytest
from celery import group

from tests.integration.workers.conftest import EVENTLET_ENDS_CLEAN, PATIENCE_SECONDS, Project

pytestmark = [pytest.mark.worker, pytest.mark.oldest]

EVENTLET = pytest.param(
    "eventlet",
    marks=pytest.mark.skipif(not EVENTLET_ENDS_CLEAN, reason="this Celery ends it with an error"),
)


@pytest.mark.parametrize("pool", ["prefork", "threads", "solo", "gevent", EVENTLET])
def test_tasks_run_and_the_worker_ends_clean(project: Project, pool: str) -> None:
    client = project.client()
    with project.worker(pool=pool, concurrency=2) as worker:
        numbers = [client.send_task("proj.add", (i, i)) for i in range(20)]
        failing = client.send_task("proj.fail", ("no such thing",))
        retried = client.send_task("proj.third_time")
        quiet = client.send_task("proj.quiet", ignore_result=True)
        joined = group(client.signature("proj.add", (i, 1)) for i in range(5)).apply_async()

        assert [r.get(timeout=PATIENCE_SECONDS) for r in numbers] == [2 * i for i in range(20)]
        with pytest.raises(LookupError, match="no such thing"):
            failing.get(timeout=PATIENCE_SECONDS)
        assert failing.traceback is not None
        assert "raise LookupError(why)" in failing.traceback
        assert retried.get(timeout=PATIENCE_SECONDS) == 2
        assert joined.get(timeout=PATIENCE_SECONDS) == [1, 2, 3, 4, 5]
        worker.wait_for_log(rf"proj\.quiet\[{quiet.id}\] succeeded")
        assert quiet.state == "PENDING"

        assert worker.stop() == 0, worker.log
    assert project.messages() == (0, 0)
    assert "Traceback" not in worker.log.replace(failing.traceback, "").replace(
        "Traceback (most recent call last):\n  File", "", 1
    )


def test_what_is_not_started_goes_back_to_the_queue(project: Project) -> None:
    client = project.client(task_ignore_result=True)
    running = client.send_task("proj.work", (1.0,))
    waiting = [client.send_task("proj.work", (0.0,)) for _ in range(3)]
    with project.worker(pool="solo", concurrency=1) as worker:
        worker.wait_for_log(rf"proj\.work\[{running.id}\] received")
        assert worker.stop() == 0, worker.log
    assert f"proj.work[{running.id}] succeeded" in worker.log
    ended = sum(f"[{task.id}] succeeded" in worker.log for task in waiting)
    assert project.messages() == (len(waiting) - ended, 0)
