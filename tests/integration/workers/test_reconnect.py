"""A connection that breaks, by a bug of ours, takes no running task along."""

from pathlib import Path

import pytest

from tests.integration.workers.conftest import PATIENCE_SECONDS, RecordedProject
from tests.integration.workers.recording import all_ended, all_started

pytestmark = pytest.mark.worker

VISIBILITY_SECONDS = 2

#: Longer than the visibility timeout, twice: nobody else must get it meanwhile.
LONG_SECONDS = 5.0


@pytest.mark.parametrize("pool", ["prefork", pytest.param("threads", marks=pytest.mark.soak)])
def test_running_and_waiting_tasks_run_once(
    recorded: RecordedProject, tmp_path: Path, pool: str
) -> None:
    recorded.app = "breaking"
    recorded.configure(
        worker_prefetch_multiplier=3,
        broker_transport_options={"visibility_timeout": VISIBILITY_SECONDS},
    )
    order = tmp_path / "break"
    worker = recorded.worker(pool=pool, concurrency=2, environment={"PROJ_BREAK": str(order)})
    worker.start()
    running = [recorded.send(f"running-{i}", LONG_SECONDS) for i in range(2)]
    waiting = [recorded.send(f"waiting-{i}") for i in range(3)]
    assert recorded.recording.wait_for(all_started(running), PATIENCE_SECONDS)

    order.touch()
    worker.wait_for_log("a bug")
    worker.wait_for_log("Trying to re-establish the connection|Connection to broker lost")
    late = recorded.send("late")

    everything = [*running, *waiting, late]
    assert recorded.recording.wait_for(all_ended(everything), PATIENCE_SECONDS)
    assert recorded.wait_for_messages((0, 0)) == (0, 0)
    assert recorded.recording.record.starts(everything) == dict.fromkeys(everything, 1)
    assert worker.stop() == 0
