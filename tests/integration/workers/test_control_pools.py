"""Remote control in the pools that are no processes: those of greenlets have a thread for it."""

import pytest

from tests.integration.workers.conftest import EVENTLET_ENDS_CLEAN, PATIENCE_SECONDS, Project

pytestmark = pytest.mark.worker

EVENTLET = pytest.param(
    "eventlet",
    marks=[
        pytest.mark.soak,
        pytest.mark.skipif(not EVENTLET_ENDS_CLEAN, reason="this Celery ends it with an error"),
    ],
)


@pytest.mark.parametrize("pool", ["threads", "solo", "gevent", EVENTLET])
def test_a_worker_answers(project: Project, pool: str) -> None:
    app = project.client()
    with project.worker(pool=pool, concurrency=2) as worker:
        # Greenlet pools begin to listen in a greenlet of their own, after they are ready.
        answers = (app.control.ping(timeout=0.5, limit=1) for _ in range(PATIENCE_SECONDS))
        (answer,) = next(filter(None, answers))
        inspect = app.control.inspect(list(answer), timeout=PATIENCE_SECONDS)
        running = app.send_task("proj.work", (2.0,))
        worker.wait_for_log(rf"{running.id}\] received")
        if pool != "solo":  # which hears nothing while it works
            (active,) = inspect.active().values()
            assert [task["id"] for task in active] == [running.id]
        assert list(inspect.stats()) == list(answer)
        assert running.get(timeout=PATIENCE_SECONDS) == worker.pid
        app.control.shutdown()
        assert worker.wait() == 0, worker.log
        assert "Traceback" not in worker.log
    assert project.inboxes() == []
    assert project.shared("inbox", "binding") == []
