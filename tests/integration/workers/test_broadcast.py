"""Every worker gets a task of a Broadcast queue, and every durable queue one of a fanout."""

from pathlib import Path

import pytest
from kombu import Exchange, Queue
from kombu.common import Broadcast

from tests.integration.workers.conftest import Project, start_together

pytestmark = [pytest.mark.worker, pytest.mark.oldest]


def test_a_broadcast_task_runs_on_every_worker(project: Project, tmp_path: Path) -> None:
    app = project.client(task_queues=[Broadcast("everybody")])
    workers = [
        project.worker(name=name, pool="solo", environment={"PROJ_QUEUES": "broadcast"})
        for name in ("one", "two")
    ]
    start_together(*workers)

    sent = app.send_task("proj.count_run", (str(tmp_path),), queue="everybody")

    for worker in workers:
        worker.wait_for_log(rf"{sent.id}\] succeeded")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]
    assert [worker.stop() for worker in workers] == [0, 0]
    assert project.queues() == []
    assert project.shared("inbox", "binding") == []


@pytest.mark.other_rights("who sends binds queues, as workers do")
def test_durable_queues_of_a_fanout_get_a_task_each(project: Project, tmp_path: Path) -> None:
    """They wait in their queues for workers that are not there yet."""
    news = Exchange("news", type="fanout")
    app = project.client(task_queues=[Queue("left", news), Queue("right", news)])
    with app.connection_for_write() as connection:
        for queue in app.amqp.queues.values():
            queue(connection.default_channel).declare()
    other = project.client()

    other.send_task("proj.count_run", (str(tmp_path),), exchange="news", exchange_type="fanout")

    assert [project.messages(name) for name in ("left", "right")] == [(1, 0), (1, 0)]
