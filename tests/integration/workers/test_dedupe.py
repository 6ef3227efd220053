"""A task that ended and could not be acknowledged comes again, and need not run again."""

import time

import pytest

from tests.integration.workers.conftest import PATIENCE_SECONDS, RecordedProject
from tests.integration.workers.recording import all_received

pytestmark = pytest.mark.worker

VISIBILITY_SECONDS = 2

#: The first worker is killed long before it would have acknowledged.
NEVER_SECONDS = 30.0


@pytest.mark.parametrize("deduplicate", [pytest.param(True, marks=pytest.mark.oldest), False])
def test_a_redelivered_task_that_has_succeeded_does_not_run_again(
    recorded: RecordedProject, deduplicate: bool
) -> None:
    recorded.configure(
        task_ignore_result=False,
        worker_deduplicate_successful_tasks=deduplicate,
        broker_transport_options={"visibility_timeout": VISIBILITY_SECONDS},
    )
    lingering = recorded.worker(
        name="killed",
        pool="threads",
        config={
            "broker_transport_options": {
                **recorded.config["broker_transport_options"],
                "ack_linger_seconds": NEVER_SECONDS,
            }
        },
    )
    second = recorded.worker(name="second", pool="threads")
    lingering.start()
    recorded.send("task")
    result = recorded.sender.AsyncResult("task").get(timeout=PATIENCE_SECONDS)
    assert recorded.messages() == (0, 1), "it was acknowledged: there is nothing to show"
    lingering.kill()
    killed_at = time.monotonic()

    second.start()
    assert recorded.recording.wait_for(all_received(["task"], "second"), PATIENCE_SECONDS)
    assert recorded.wait_for_messages((0, 0)) == (0, 0)
    record = recorded.recording.record
    assert [each.redelivered for each in record.received("task")] == [False, True]
    assert [run.redelivered for run in record.of("task")] == [False, True][: 2 - deduplicate]
    assert record.received("task")[1].at - killed_at < VISIBILITY_SECONDS + 5.0
    if deduplicate:
        assert recorded.sender.AsyncResult("task").get(timeout=PATIENCE_SECONDS) == result
