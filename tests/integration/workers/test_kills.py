"""A worker that is killed with all its processes loses no task, and few run twice.

A round: 200 late-acknowledged tasks, SIGKILL for the worker's whole process group at a random
moment after the first has started, then a new worker, which is the next round's victim.
"""

import random
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from celery_aws.testing import WorkerProcess
from tests.integration.workers.conftest import PATIENCE_SECONDS, RecordedProject
from tests.integration.workers.recording import Record, all_ended
from tests.integration.workers.rounds import Round, Rounds, sleep_until, soak_rounds

pytestmark = pytest.mark.worker

TASKS = 200
TASK_SECONDS = 0.01
VISIBILITY_SECONDS = 3

#: Two processes need about this long for all; every moment until then may be that of the kill.
SPAN_SECONDS = 1.5

#: Everything is back so long after the new worker is ready.
BACK_SECONDS = VISIBILITY_SECONDS + 5.0

#: A task that has ended may run again if its message was not deleted before the kill. After its
#: end, its result goes through a pipe to the parent's event loop (a few ms, more while the loop
#: sends tasks to the pool), waits for company (``ack_linger_seconds``, 50 ms), then for the
#: batch under way before it (up to 50 ms), and then SQS deletes it (up to 50 ms): 0.2 s, and half
#: of that for a machine that has other work to do.
ACK_SECONDS = 0.3


@pytest.fixture
def killed(recorded: RecordedProject) -> RecordedProject:
    recorded.configure(
        worker_prefetch_multiplier=4,
        broker_transport_options={"visibility_timeout": VISIBILITY_SECONDS},
    )
    return recorded


@pytest.mark.parametrize("count", [2, pytest.param(soak_rounds(300), marks=pytest.mark.soak)])
def test_no_task_is_lost_with_a_killed_worker(killed: RecordedProject, count: int) -> None:
    rounds = Rounds("kills", count)
    worker = new_worker(killed)
    worker.start()
    for seed in rounds.seeds():
        finished, worker = kill_round(killed, worker, seed)
        rounds.add(finished)
    assert rounds.bad() == []


def new_worker(killed: RecordedProject) -> WorkerProcess:
    return killed.worker(concurrency=2, name=f"w{time.monotonic_ns()}")


def kill_round(
    killed: RecordedProject, victim: WorkerProcess, seed: int
) -> tuple[Round, WorkerProcess]:
    """Return what the round has shown, and the worker that was started after the kill."""
    killed.recording.forget()
    after_seconds = random.Random(seed).uniform(0.0, SPAN_SECONDS)
    task_ids = [f"{seed}-{i}" for i in range(TASKS)]
    with ThreadPoolExecutor(1) as sender:
        sent = sender.submit(lambda: [killed.send(each, TASK_SECONDS) for each in task_ids])
        assert killed.recording.wait_for(lambda record: bool(record.runs), PATIENCE_SECONDS)
        sleep_until(killed.recording.record.runs[0].started + after_seconds)
        killed_at = time.monotonic()
        victim.kill()
        killed.dismiss(victim)
        sent.result(PATIENCE_SECONDS)
    successor = new_worker(killed)
    successor.start()
    ready_at = time.monotonic()
    killed.recording.wait_for(all_ended(task_ids), BACK_SECONDS)
    left = killed.wait_for_messages((0, 0), seconds=BACK_SECONDS)
    finished = judge(killed.recording.record, task_ids, seed, killed_at, ready_at)
    if left != (0, 0):
        finished.problems.append(f"{left} messages are left")
    return finished, successor


def judge(
    record: Record, task_ids: list[str], seed: int, killed_at: float, ready_at: float
) -> Round:
    finished = Round(seed=seed)
    for task_id in task_ids:
        runs = record.of(task_id)
        if not runs or runs[-1].ended is None:
            finished.lost.append(task_id)
        elif len(runs) == 2 and runs[0].started < killed_at < runs[1].started:
            unsettled_seconds = killed_at - (runs[0].ended or killed_at)
            if unsettled_seconds < ACK_SECONDS:
                finished.excused.append(task_id)
                finished.unsettled_seconds = max(finished.unsettled_seconds, unsettled_seconds)
            else:
                finished.doubled.append(task_id)
        elif len(runs) > 1:
            finished.doubled.append(task_id)
    finished.back_seconds = max(run.started for run in record.runs) - ready_at
    if finished.back_seconds > BACK_SECONDS:
        finished.problems.append("not all were back in time")
    if strangers := {run.task_id for run in record.runs} - set(task_ids):
        finished.problems.append(f"of earlier rounds: {sorted(strangers)}")
    return finished
