"""A worker that is killed at a random moment: no chord is lost, and none has two bodies.

A round: chords of several sizes, SIGKILL for the worker's whole process group at a random moment
after the first header task has run, then a new worker, which is the next round's victim.
"""

import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from celery import chord
from celery.result import AsyncResult

from celery_aws.testing import WorkerProcess
from tests.integration.workers.chord_scene import ChordProject
from tests.integration.workers.conftest import PATIENCE_SECONDS, Project
from tests.integration.workers.rounds import Round, Rounds, sleep_until, soak_rounds

pytestmark = pytest.mark.worker

#: The last is larger than what the root of a chord holds.
SIZES = [1, 2, 5, 5, 5, 5, 5, 5, 70]

VISIBILITY_SECONDS = 2
CLAIM_SECONDS = 2.0

#: Two processes need about this long for all; every moment until then may be that of the kill.
SPAN_SECONDS = 1.5

#: Everything is back so long after the new worker is ready.
BACK_SECONDS = VISIBILITY_SECONDS + CLAIM_SECONDS + 6.0


@pytest.fixture
def chords(project: Project, tmp_path: Path) -> Iterator[ChordProject]:
    with ExitStack() as stack:
        scene = ChordProject(project.aws, stack, tmp_path / "effects")
        scene.app = "hasty"
        scene.configure(
            worker_prefetch_multiplier=4,
            broker_transport_options={"visibility_timeout": VISIBILITY_SECONDS},
        )
        yield scene


@pytest.mark.parametrize("count", [2, pytest.param(soak_rounds(100), marks=pytest.mark.soak)])
def test_no_chord_is_lost_with_a_killed_worker(chords: ChordProject, count: int) -> None:
    rounds = Rounds("chord kills", count)
    worker = new_worker(chords)
    worker.start()
    for seed in rounds.seeds():
        finished, worker = kill_round(chords, worker, seed)
        rounds.add(finished)
    assert rounds.bad() == []


def new_worker(chords: ChordProject) -> WorkerProcess:
    environment = {"PROJ_CLAIM_SECONDS": str(CLAIM_SECONDS)}
    return chords.worker(name=f"w{time.monotonic_ns()}", environment=environment)


def kill_round(
    chords: ChordProject, victim: WorkerProcess, seed: int
) -> tuple[Round, WorkerProcess]:
    """Return what the round has shown, and the worker that was started after the kill."""
    after_seconds = random.Random(seed).uniform(0.0, SPAN_SECONDS)
    names = {f"{seed}-{number}": size for number, size in enumerate(SIZES)}
    with ThreadPoolExecutor(1) as sender:
        sent = sender.submit(
            lambda: {name: send(chords, name, size) for name, size in names.items()}
        )
        assert chords.wait_for_effects(f"{seed}-0", "part"), victim.log
        sleep_until(time.monotonic() + after_seconds)
        victim.kill()
        chords.dismiss(victim)
        results = sent.result(PATIENCE_SECONDS)
    successor = new_worker(chords)
    successor.start()
    ready_at = time.monotonic()
    for name in names:
        left_seconds = ready_at + BACK_SECONDS - time.monotonic()
        chords.wait_for_effects(name, seconds=max(0.0, left_seconds))
    back_seconds = time.monotonic() - ready_at
    left = chords.wait_for_messages((0, 0), seconds=BACK_SECONDS)
    finished = judge(chords, names, results, seed)
    finished.back_seconds = back_seconds
    if left != (0, 0):
        finished.problems.append(f"{left} messages are left")
    return finished, successor


def send(chords: ChordProject, name: str, size: int) -> AsyncResult:
    header = [chords.task("late_echo", number, name) for number in range(size)]
    return chord(header, chords.task("body", name)).delay()


def judge(
    chords: ChordProject, names: dict[str, int], results: dict[str, AsyncResult], seed: int
) -> Round:
    """Judge by what the bodies have written down: twice is good if it is the same task."""
    finished = Round(seed=seed)
    for name, size in names.items():
        bodies = chords.effects(name)
        if not bodies:
            finished.lost.append(name)
        elif {each.task_id for each in bodies} != {results[name].id} or len(bodies) > 2:
            finished.doubled.append(name)
        elif len(bodies) == 2:
            finished.excused.append(name)
        if any(each.value != list(range(size)) for each in bodies):
            finished.problems.append(f"{name}: {[each.value for each in bodies]}")
    return finished
