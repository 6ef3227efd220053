"""What workers tell each other: at a start what was revoked, and all events only if asked to."""

import pytest
from celery import Celery

from tests.integration.workers.conftest import PATIENCE_SECONDS, Project

pytestmark = pytest.mark.worker


def gossiping(app: Celery) -> list[str]:
    """Return the nodes that hear every event of workers, because they gossip."""
    with app.connection_for_write() as connection:
        bindings = list(connection.default_channel.list_bindings())
    return [
        queue for queue, exchange, key in bindings if (exchange, key) == ("celeryev", "worker.#")
    ]


def test_what_was_revoked_is_told_to_who_starts(project: Project) -> None:
    app = project.client()
    first = project.worker(name="one", pool="solo")
    first.start()
    app.control.revoke("revoked-before", reply=True, timeout=PATIENCE_SECONDS, limit=1)
    second = project.worker(name="two", pool="solo", mingles=True)
    second.start()
    second.wait_for_log("mingle: sync with 1 nodes")
    second.wait_for_log("mingle: sync complete")
    assert gossiping(app) == []
    assert first.stop() == 0

    app.send_task("proj.add", (1, 1), task_id="revoked-before")

    second.wait_for_log(r"proj\.add\[revoked-before\]")
    second.wait_for_log("Discarding revoked task: .*revoked-before")
    assert second.stop() == 0


def test_they_gossip_if_they_shall(project: Project) -> None:
    project.configure(broker_transport_options={"gossip": True})
    app = project.client()
    workers = [
        project.worker(name=name, pool="solo", mingles=True, log_level="DEBUG")
        for name in ("one", "two")
    ]
    workers[0].start()
    workers[1].start()

    assert len(gossiping(app)) == 2
    workers[0].wait_for_log("two@.* joined the party")
    assert workers[1].stop() == 0
    workers[0].wait_for_log("two@.* left")
    assert workers[0].stop() == 0
