"""A worker that is asked to end (SIGTERM) loses no task, doubles none, and hands on the rest.

A round: 60 tasks, acknowledged early and late in turn, for a worker that gets a SIGTERM at a
random moment after the first has started, and for another, which stays for all rounds.
"""

import random
import signal
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import pytest

from celery_aws.testing import WorkerProcess
from tests.integration.workers.conftest import PATIENCE_SECONDS, RecordedProject, start_together
from tests.integration.workers.recording import Record, all_ended
from tests.integration.workers.rounds import Round, Rounds, sleep_until, soak_rounds

pytestmark = [pytest.mark.worker, pytest.mark.oldest]

TASKS = 60
SHORTEST_SECONDS, LONGEST_SECONDS = 0.05, 0.3

#: Both workers need about this long for all of a round.
SPAN_SECONDS = 1.5

#: What a leaving worker has not started, another has after this time.
HAND_OVER_SECONDS = 2.0

#: Not gevent and eventlet: their pools take the next task before a greenlet is free for it, and
#: their loops look for a shutdown only after it has begun.
HANDING_ON = ["prefork", "threads", "solo"]

#: So long that a message that was not given back is missed.
VISIBILITY_SECONDS = 60

#: What SQS hands to a poll whose process has ended is lost for a visibility timeout, so a worker
#: waits for its last one: every third has the longest that there is, the others make it short.
POLL_SECONDS = (1, 1, 20)


@pytest.fixture
def stopped(recorded: RecordedProject) -> RecordedProject:
    recorded.configure(
        worker_prefetch_multiplier=4,
        broker_transport_options={
            "visibility_timeout": VISIBILITY_SECONDS,
            "wait_time_seconds": POLL_SECONDS[0],
        },
    )
    return recorded


def leaving_worker(stopped: RecordedProject, seed: int) -> WorkerProcess:
    options = {
        **stopped.config["broker_transport_options"],
        "wait_time_seconds": POLL_SECONDS[seed % len(POLL_SECONDS) - 1],
    }
    return stopped.worker(
        pool="threads" if seed % 4 == 3 else "prefork",
        name=f"w{seed}",
        queues=["rounds"],
        config={"broker_transport_options": options},
    )


@pytest.mark.parametrize("count", [3, pytest.param(soak_rounds(1000), marks=pytest.mark.soak)])
def test_no_task_is_lost_or_doubled_by_a_warm_shutdown(
    stopped: RecordedProject, count: int
) -> None:
    rounds = Rounds("sigterms", count)
    # Slots enough that it can take what is left of a round at once.
    staying = stopped.worker(pool="threads", concurrency=10, name="staying", queues=["rounds"])
    staying.launch()
    for seed in rounds.seeds():
        leaving = leaving_worker(stopped, seed)
        leaving.start()
        staying.wait_until_ready()
        rounds.add(sigterm_round(stopped, leaving, seed))
        stopped.dismiss(leaving)
        assert staying.running
    assert rounds.bad() == []


def sigterm_round(stopped: RecordedProject, worker: WorkerProcess, seed: int) -> Round:
    stopped.recording.forget()
    rng = random.Random(seed)
    after_seconds = rng.uniform(0.0, SPAN_SECONDS)
    lengths = {f"{seed}-{i}": rng.uniform(SHORTEST_SECONDS, LONGEST_SECONDS) for i in range(TASKS)}
    with ThreadPoolExecutor(1) as sender:
        sent = sender.submit(send_all, stopped, lengths)
        assert stopped.recording.wait_for(lambda record: bool(record.runs), PATIENCE_SECONDS)
        sleep_until(stopped.recording.record.runs[0].started + after_seconds)
        asked_at = time.monotonic()
        worker.send_signal(signal.SIGTERM)
        sent.result(PATIENCE_SECONDS)
    code = worker.wait()
    stopped.recording.wait_for(all_ended(lengths), HAND_OVER_SECONDS + 5.0)
    left = stopped.wait_for_messages((0, 0), "rounds", 5.0)
    finished = judge(stopped.recording.record, list(lengths), seed, f"w{seed}", asked_at)
    if code != 0:
        finished.problems.append(f"exit code {code}")
    if left != (0, 0):
        finished.problems.append(f"{left} messages are left")
    return finished


def send_all(stopped: RecordedProject, lengths: dict[str, float]) -> None:
    for i, (task_id, seconds) in enumerate(lengths.items()):
        stopped.send(task_id, seconds, task=("early", "late")[i % 2], queue="rounds")


def judge(record: Record, task_ids: list[str], seed: int, worker: str, asked_at: float) -> Round:
    finished = Round(seed=seed)
    for task_id in task_ids:
        runs = record.of(task_id)
        if not runs or runs[-1].ended is None:
            finished.lost.append(task_id)
        elif len(runs) > 1:
            finished.doubled.append(task_id)
        elif runs[0].worker != worker:
            finished.back_seconds = max(
                finished.back_seconds, hand_over_seconds(record, task_id, worker, asked_at)
            )
    if finished.back_seconds > HAND_OVER_SECONDS:
        finished.problems.append("handed over late")
    if strangers := {run.task_id for run in record.runs} - set(task_ids):
        finished.problems.append(f"of earlier rounds: {sorted(strangers)}")
    return finished


def hand_over_seconds(record: Record, task_id: str, worker: str, asked_at: float) -> float:
    """Return how long after the signal a task that ``worker`` had prefetched was another's."""
    received = record.received(task_id)
    if all(each.worker != worker for each in received):
        return 0.0
    return max(each.at for each in received if each.worker != worker) - asked_at


@pytest.mark.parametrize(
    "long_seconds", [6.0, pytest.param(10.0, marks=pytest.mark.soak, id="as long as ECS waits")]
)
def test_what_waits_is_handed_on_while_a_long_task_runs_on(
    stopped: RecordedProject, long_seconds: float
) -> None:
    """A second SIGTERM, after that, changes nothing."""
    running, waiting = [], []
    for pool in HANDING_ON:
        running.append(stopped.send(f"running-{pool}", long_seconds, queue=pool))
        waiting += [stopped.send(f"waiting-{pool}-{i}", queue=pool) for i in range(3)]
    leaving = {
        pool: stopped.worker(pool=pool, concurrency=1, name=pool, queues=[pool])
        for pool in HANDING_ON
    }
    start_together(*leaving.values())
    for pool in HANDING_ON:
        assert stopped.wait_for_messages((0, 4), pool) == (0, 4), f"{pool} has not prefetched"
    other = stopped.worker(pool="threads", concurrency=20, name="other", queues=HANDING_ON)
    other.start()

    asked_at = signal_all(leaving.values())
    stopped.recording.wait_for(all_ended(waiting), HAND_OVER_SECONDS)
    handed_on = stopped.recording.record
    signal_all(leaving.values())
    codes = {pool: worker.wait() for pool, worker in leaving.items()}

    late = [
        task_id
        for task_id in waiting
        if not any(
            each.worker == "other" and each.at < asked_at + HAND_OVER_SECONDS
            for each in handed_on.received(task_id)
        )
    ]
    assert late == []
    assert not handed_on.ended() & set(running), "the long tasks were over too early to show it"
    assert stopped.recording.wait_for(all_ended([*running, *waiting]), PATIENCE_SECONDS)
    assert stopped.recording.record.starts([*running, *waiting]) == dict.fromkeys(
        [*running, *waiting], 1
    )
    assert codes == dict.fromkeys(HANDING_ON, 0)


def signal_all(workers: Iterable[WorkerProcess]) -> float:
    """Send each a SIGTERM; return the moment before."""
    asked_at = time.monotonic()
    for worker in workers:
        worker.send_signal(signal.SIGTERM)
    return asked_at
