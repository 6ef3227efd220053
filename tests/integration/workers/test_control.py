"""Remote control of real workers: commands reach those that run, in order, and are answered."""

import re
from typing import Any

import pytest
from celery import Celery
from celery.exceptions import TaskRevokedError

from tests.integration.workers.conftest import PATIENCE_SECONDS, Project, start_together

pytestmark = [pytest.mark.worker, pytest.mark.oldest]


def nodes(app: Celery, count: int = 1) -> list[str]:
    """Return the nodes that answer, so many at least."""
    answers = app.control.ping(timeout=5.0, limit=count)
    return sorted(name for answer in answers for name in answer)


def test_two_workers_obey(project: Project) -> None:
    app = project.client()
    workers = [project.worker(name=name, concurrency=1) for name in ("one", "two")]
    start_together(*workers)

    one, two = nodes(app, 2)
    assert (one[:4], two[:4]) == ("one@", "two@")
    assert sorted(app.control.inspect().active_queues()) == [one, two]

    # What is said in this order ends with a consumer.
    for _ in range(25):
        app.control.add_consumer("extra", destination=[one])
        app.control.cancel_consumer("extra", destination=[one])
    app.control.add_consumer("extra", destination=[one])
    names = [app.send_task("proj.whoami", queue="extra") for _ in range(3)]
    assert {each.get(timeout=PATIENCE_SECONDS) for each in names} == {"one"}
    said = re.findall("(Started consuming|Canceling queue)", workers[0].log)
    assert said == ["Started consuming", "Canceling queue"] * 25 + ["Started consuming"]

    app.control.shutdown(destination=[two])
    assert workers[1].wait() == 0
    assert nodes(app) == [one]
    assert workers[0].stop() == 0
    assert project.inboxes() == []
    assert project.shared("inbox", "binding") == []


def test_a_worker_hears_nothing_that_was_said_before_it_started(project: Project) -> None:
    app = project.client()
    # Of another queue: its last poll may outlive it, and would be handed the task.
    killed = project.worker(pool="solo", queues=["other"])
    killed.start()
    (node,) = nodes(app)
    killed.kill()
    app.control.shutdown(destination=[node])
    app.control.shutdown()

    with project.worker(pool="solo") as again:
        assert nodes(app) == [node]
        assert app.send_task("proj.whoami").get(timeout=PATIENCE_SECONDS) == "one"
        assert again.running
        assert "from remote" not in again.log


def test_revokes(project: Project) -> None:
    # What is due later than that is delayed by SQS, and in no worker.
    project.configure(broker_transport_options={"short_eta_seconds": 1.5})
    app = project.client()
    with project.worker(concurrency=1) as worker:
        running = app.send_task("proj.work", (60.0,))
        worker.wait_for_log(rf"{running.id}\] received")
        waiting = app.send_task("proj.add", (1, 1))
        stamped = app.send_task("proj.add", (2, 2), headers=_stamped("order", "7"))
        in_worker = app.send_task("proj.add", (3, 3), countdown=1)
        delayed = app.send_task("proj.add", (4, 4), countdown=2.5)

        app.control.revoke([waiting.id, in_worker.id, delayed.id])
        app.control.revoke_by_stamped_headers({"order": ["7"]})
        app.control.revoke(running.id, terminate=True)

        for each in (running, waiting, stamped, in_worker, delayed):
            with pytest.raises(TaskRevokedError):
                each.get(timeout=PATIENCE_SECONDS)
        assert app.send_task("proj.add", (5, 5)).get(timeout=PATIENCE_SECONDS) == 10
        # Celery stores the result of a revoke at once; the delayed one is still to come.
        assert project.wait_for_messages((0, 0)) == (0, 0)
        worker.wait_for_log(rf"Discarding revoked task: proj\.add\[{delayed.id}\]")
        assert worker.stop() == 0
    assert worker.log.count(" succeeded in ") == 1


def _stamped(name: str, value: str) -> dict[str, Any]:
    return {"stamps": {name: [value]}, "stamped_headers": [name], name: [value]}
