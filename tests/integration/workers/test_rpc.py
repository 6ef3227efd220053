"""Results by ``rpc://``: they come to the client that asked, and leave nothing behind."""

import pytest
from celery import group

from tests.integration.workers.conftest import PATIENCE_SECONDS, Project

pytestmark = [pytest.mark.worker, pytest.mark.oldest]

INBOX = "celery-inbox-"


@pytest.fixture
def rpc(project: Project) -> Project:
    project.configure(result_backend="rpc://")
    return project


def queues(project: Project) -> list[str]:
    """Return the names of the queues that there are, inboxes by :data:`INBOX` only."""
    names = [INBOX if INBOX in name else name for name in project.queues()]
    return sorted(name for name in names if not name.endswith("dead-letter"))


def test_results_come_to_who_asked(rpc: Project) -> None:
    app, other = rpc.client(), rpc.client()
    with rpc.worker(concurrency=2) as worker:
        sent = [app.send_task("proj.add", (i, i)) for i in range(50)]
        others = other.send_task("proj.add", ("of the ", "other"))
        assert [each.get(timeout=PATIENCE_SECONDS) for each in sent] == [2 * i for i in range(50)]
        assert others.get(timeout=PATIENCE_SECONDS) == "of the other"
        several = group(app.signature("proj.add", (i, 1)) for i in range(10)).apply_async()
        assert several.get(timeout=PATIENCE_SECONDS) == list(range(1, 11))
        with pytest.raises(LookupError, match="no such thing"):
            app.send_task("proj.fail", ("no such thing",)).get(timeout=PATIENCE_SECONDS)
        assert worker.stop() == 0
    # Of all clients in this process.
    assert queues(rpc) == ["celery", INBOX]


def test_results_that_nobody_waits_for_leave_no_queue(rpc: Project) -> None:
    app = rpc.client()
    with rpc.worker(concurrency=1) as worker:
        # Its client ends before the task does.
        with app.connection_for_write() as connection:
            connection.Producer().publish(
                [[1, 1], {}, {}],
                routing_key="celery",
                headers={"task": "proj.add", "id": "of-nobody", "lang": "py"},
                correlation_id="of-nobody",
                reply_to="a-client-that-is-gone",
                declare=[app.amqp.queues["celery"]],
            )
        worker.wait_for_log(r"of-nobody\] succeeded")
        # And this one's client is a pool child, which waits for nothing.
        subtask = app.send_task("proj.delegate", (2,)).get(timeout=PATIENCE_SECONDS)
        worker.wait_for_log(rf"{subtask}\] succeeded")
        assert worker.stop() == 0
        assert "Traceback" not in worker.log
    assert queues(rpc) == ["celery", INBOX]
