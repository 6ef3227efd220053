"""The worker's event loop never waits for AWS, whatever it is asked to do.

What Celery itself reads and writes there is left out: the results of tasks that are revoked,
expired or rejected, that nobody knows, or whose process was killed.
"""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from celery_aws.local import LocalAws
from celery_aws.testing import FaultProxy, WorkerProcess
from celery_aws.testing.fixtures import AwsEnvironment
from celery_aws.testing.proxy_faults import Delay
from tests.integration.workers.conftest import PATIENCE_SECONDS, Project

pytestmark = pytest.mark.worker

#: Seconds by which each answer of AWS's is late, and within which the loop turns nevertheless.
LATE_SECONDS = 1.5
TURN_SECONDS = 1.0


class WatchedProject(Project):
    """A project whose worker's requests go through a proxy, and whose event loop is watched."""

    app = "watched"

    def slow_worker(self, proxy: FaultProxy, notes: Path, pool: str) -> WorkerProcess:
        aws: AwsEnvironment = self.aws.through(proxy)
        config = {"broker_url": aws.broker_url, "result_backend": aws.result_backend}
        environment = {**aws.variables, "PROJ_WATCHED": str(notes)}
        return self.worker(
            config=config, environment=environment, pool=pool, concurrency=2, arguments=["-E"]
        )


@pytest.fixture(scope="module")
def proxy(local_aws: LocalAws) -> Iterator[FaultProxy]:
    with FaultProxy(local_aws.endpoint_url) as proxy:
        yield proxy


@pytest.mark.parametrize("pool", ["prefork", pytest.param("threads", marks=pytest.mark.soak)])
def test_the_loop_turns_while_aws_is_slow(
    project: Project, proxy: FaultProxy, tmp_path: Path, pool: str
) -> None:
    watched = WatchedProject(project.aws, project._stack)
    watched.configure(broker_transport_options={"last_poll_wait_seconds": 0})
    notes = tmp_path / "notes"
    app = watched.client()
    worker = watched.slow_worker(proxy, notes, pool)
    worker.start()
    (node,) = (name for answer in app.control.ping(timeout=5.0, limit=1) for name in answer)
    to = {"destination": [node]}

    with proxy.switched_on(Delay(seconds=LATE_SECONDS)):
        done = [app.send_task("proj.add", (i, i)) for i in range(10)]
        app.send_task("proj.fail_unacknowledged", ("unwanted",))
        app.control.add_consumer("extra", **to)
        app.control.add_consumer("routed", exchange="topics", exchange_type="topic", **to)
        app.control.pool_grow(1, **to)
        app.control.rate_limit("proj.add", "100/s", **to)
        app.control.enable_events(**to)
        extra = app.send_task("proj.whoami", queue="extra")
        assert app.control.inspect([node], timeout=PATIENCE_SECONDS, limit=1).active_queues()
        assert [each.get(timeout=2 * PATIENCE_SECONDS) for each in [*done, extra]][-1] == "one"
        app.control.cancel_consumer("extra", **to)
        app.control.cancel_consumer("celery", **to)
        worker.send_signal(signal.SIGTERM)
        worker.wait_for_log("Warm shutdown")
    assert worker.wait() == 0

    *requests, gap = notes.read_text().splitlines()
    assert requests == []
    assert 0 < float(gap.split()[1]) < TURN_SECONDS
