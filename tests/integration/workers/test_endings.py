"""How else a worker may end, and what SQS then has: cold and soft shutdown, the parent killed.

No other worker runs: what is visible is anybody's at once, and the counts say how much that is.
Each worker has three processes, runs a task that takes long, one that is over soon and one that
was acknowledged early, and has prefetched five more.
"""

import os
import signal
import time
from collections.abc import Mapping
from contextlib import ExitStack

import pytest

from celery_aws.testing import WorkerProcess
from tests.integration.workers.conftest import PATIENCE_SECONDS, RecordedProject
from tests.integration.workers.recording import all_started
from tests.waiting import watching

pytestmark = pytest.mark.worker

#: Short where a message has to come back by itself or must be kept for longer, and otherwise so
#: long that what is visible was given back.
VISIBILITY_SECONDS = 2
LONG_VISIBILITY_SECONDS = 60

#: Longer than any test here: it must be cut short.
LONG_SECONDS = 30.0

#: Within the time of a soft shutdown, and longer than it takes to send a signal.
SHORT_SECONDS = 2.0
SOFT_SECONDS = 2 * VISIBILITY_SECONDS

WAITING = 5

#: What was not started is visible to others after this time.
HAND_OVER_SECONDS = 2.0

LATE_RUNNING = ["long", "short"]
RUNNING = [*LATE_RUNNING, "early"]


def busy_worker(
    recorded: RecordedProject,
    visibility_seconds: int,
    environment: Mapping[str, str] | None = None,
    **config: object,
) -> WorkerProcess:
    """Start a worker and wait until it runs and holds everything as described above."""
    recorded.configure(
        worker_prefetch_multiplier=3,
        broker_transport_options={"visibility_timeout": visibility_seconds},
        **config,
    )
    recorded.send("long", LONG_SECONDS)
    recorded.send("short", SHORT_SECONDS)
    recorded.send("early", LONG_SECONDS, task="early")
    for i in range(WAITING):
        recorded.send(f"waiting-{i}")
    worker = recorded.worker(concurrency=3, environment=environment)
    worker.start()
    assert recorded.recording.wait_for(all_started(RUNNING), PATIENCE_SECONDS)
    held = (0, len(LATE_RUNNING) + WAITING)
    assert recorded.wait_for_messages(held, seconds=SHORT_SECONDS / 2) == held
    return worker


@pytest.mark.oldest
@pytest.mark.parametrize("first", [[], [signal.SIGTERM]], ids=["at once", "in a warm shutdown"])
def test_a_cold_shutdown_gives_everything_back_at_once(
    recorded: RecordedProject, first: list[signal.Signals]
) -> None:
    """What is acknowledged late and not over yet is given back, started or not."""
    worker = busy_worker(recorded, LONG_VISIBILITY_SECONDS)
    for number in first:
        worker.send_signal(number)
        worker.wait_for_log("Warm shutdown")
    worker.send_signal(signal.SIGQUIT)
    given_back = (len(LATE_RUNNING) + WAITING, 0)

    assert recorded.wait_for_messages(given_back, seconds=HAND_OVER_SECONDS) == given_back
    worker.wait()
    # Nor does it come to the count only for a moment.
    assert recorded.messages() == given_back
    assert recorded.recording.record.ended() == set()
    assert recorded.recording.record.starts(RUNNING) == dict.fromkeys(RUNNING, 1)


@pytest.mark.oldest
def test_a_soft_shutdown_lets_tasks_end_and_then_gives_them_back(
    recorded: RecordedProject,
) -> None:
    worker = busy_worker(recorded, VISIBILITY_SECONDS, worker_soft_shutdown_timeout=SOFT_SECONDS)
    worker.send_signal(signal.SIGQUIT)
    asked_at = time.monotonic()
    visible = []
    while worker.running:
        visible.append((time.monotonic() - asked_at, recorded.messages()[0]))
        time.sleep(0.1)
    worker.wait()

    assert recorded.recording.record.ended() == {"short"}
    # What runs stays with the worker until its time is up, whatever its visibility timeout.
    assert max(count for seconds, count in visible if seconds < SOFT_SECONDS) <= WAITING, visible
    assert recorded.messages() == (WAITING + 1, 0), "all but the one that has ended"
    soon = [count for seconds, count in visible if HAND_OVER_SECONDS < seconds < SOFT_SECONDS]
    assert set(soon) == {WAITING}, visible


def test_a_container_that_is_stopped_keeps_what_can_end_in_its_time(
    recorded: RecordedProject,
) -> None:
    """As the how-to says: what an orchestrator kills after its grace period has ended before."""
    grace_seconds = SOFT_SECONDS + 6.0
    worker = busy_worker(
        recorded,
        LONG_VISIBILITY_SECONDS,
        {"REMAP_SIGTERM": "SIGQUIT"},
        worker_soft_shutdown_timeout=SOFT_SECONDS,
    )
    worker.send_signal(signal.SIGTERM)
    asked_at = time.monotonic()
    worker.wait()

    assert time.monotonic() - asked_at < grace_seconds
    assert recorded.recording.record.ended() == {"short"}
    assert recorded.messages() == (WAITING + 1, 0), "all but the one that has ended"


@pytest.mark.oldest
@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs Linux to watch a pid")
def test_a_killed_parents_messages_come_back_after_one_visibility_timeout(
    recorded: RecordedProject,
) -> None:
    """Its children die with it: Celery asks Linux for that (billiard's ``set_pdeathsig``)."""
    worker = busy_worker(recorded, VISIBILITY_SECONDS)
    with ExitStack() as watched:
        children = [watched.enter_context(watching(pid)) for pid in worker.children()]
        os.kill(worker.pid, signal.SIGKILL)
        assert [child.ended_within(SHORT_SECONDS / 2) for child in children] == [True] * 3
    back = (len(LATE_RUNNING) + WAITING, 0)
    assert recorded.wait_for_messages(back, seconds=VISIBILITY_SECONDS + 1.5) == back
    assert recorded.recording.record.ended() == set()
