"""Workers that are killed in the middle of a chord: its body is sent all the same, and once."""

import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import pytest
from celery import chord
from celery.result import AsyncResult

from celery_aws.results.chord_ledger import CLAIM_SECONDS
from celery_aws.testing import Delay, FaultProxy, HalfOpen, WorkerProcess
from tests.integration.workers.chord_scene import ChordProject
from tests.integration.workers.conftest import PATIENCE_SECONDS, Project

pytestmark = pytest.mark.worker

VISIBILITY_SECONDS = 2

#: A worker that has received a message renews its lease at that time, and is killed after that.
LEASE_SECONDS = 2 * VISIBILITY_SECONDS

#: Of claims, where the real one would take too long.
HASTY_SECONDS = 2.0

#: A claim is found abandoned so much later: looks are a second apart.
LATE_SECONDS = 5.0


@pytest.fixture
def chords(project: Project, tmp_path: Path) -> Iterator[ChordProject]:
    with ExitStack() as stack:
        scene = ChordProject(project.aws, stack, tmp_path / "effects")
        scene.app = "hasty"
        scene.configure(broker_transport_options={"visibility_timeout": VISIBILITY_SECONDS})
        yield scene


def send(chords: ChordProject, name: str, queues: Sequence[str]) -> AsyncResult:
    """Send a chord with a header task in each of the queues, and its body for the first."""
    header = [
        chords.task("late_echo", number, name).set(queue=queue)
        for number, queue in enumerate(queues)
    ]
    return chord(header, chords.task("body", name).set(queue=queues[0])).delay()


def test_a_redelivered_header_task_counts_once(chords: ChordProject) -> None:
    """It comes again because the worker was killed before it had acknowledged it."""
    name = uuid4().hex
    result = send(chords, name, ["celery", "celery", "later"])
    lingering = {**chords.config["broker_transport_options"], "ack_linger_seconds": 60.0}
    victim = chords.worker(
        name="victim", pool="threads", config={"broker_transport_options": lingering}
    )
    victim.start()
    for each in result.parent.results[:2]:
        victim.wait_for_log(rf"{each.id}\] succeeded")
    assert chords.messages() == (0, 2), "they were acknowledged: there is nothing to show"
    victim.kill()

    with chords.worker(name="second", pool="threads"):
        assert chords.wait_for_messages((0, 0)) == (0, 0)
        assert sorted(each.value for each in chords.effects(name, "part")) == [0, 0, 1, 1]
        assert chords.effects(name) == [], "three of four came from two header tasks"
        with chords.worker(name="third", pool="threads", queues=["later"]):
            assert result.get(timeout=PATIENCE_SECONDS) == [0, 1, 2]
        assert chords.wait_for_messages((0, 0)) == (0, 0)
    assert [(each.task_id, each.value) for each in chords.effects(name)] == [(result.id, [0, 1, 2])]


@pytest.mark.soak
def test_what_a_killed_worker_ran_is_run_by_another(chords: ChordProject) -> None:
    name = uuid4().hex
    header = [
        chords.task("late_echo", 0, name),
        chords.task("killed_once", 1),
        chords.task("late_echo", 2, name),
    ]
    victim = chords.worker(name="victim")
    victim.start()

    result = chord(header, chords.task("body", name)).delay()

    assert victim.wait() == -signal.SIGKILL
    with chords.worker(name="second"):
        assert result.get(timeout=PATIENCE_SECONDS) == [0, 1, 2]
        assert chords.wait_for_messages((0, 0)) == (0, 0)
    assert [each.task_id for each in chords.effects(name)] == [result.id]


@pytest.mark.parametrize(
    ("operation", "claim_seconds"),
    [
        pytest.param("dynamodb.BatchGetItem", HASTY_SECONDS, id="reading the results"),
        pytest.param(
            "sqs.SendMessage", HASTY_SECONDS, marks=pytest.mark.soak, id="sending the body"
        ),
        pytest.param(
            "dynamodb.BatchGetItem", CLAIM_SECONDS, marks=pytest.mark.soak, id="the real claim"
        ),
    ],
)
def test_who_is_killed_before_the_body_is_sent_is_replaced(
    chords: ChordProject, fault_proxy: FaultProxy, operation: str, claim_seconds: float
) -> None:
    name = uuid4().hex
    victim = hasty_worker(chords, "victim", claim_seconds, fault_proxy)
    victim.start()
    with fault_proxy.switched_on(HalfOpen(), operations=[operation]):
        result = send(chords, name, ["celery"] * 3)
        assert fault_proxy.faulted.wait_for(operation, timeout_seconds=PATIENCE_SECONDS)
        victim.kill()
    assert chords.effects(name) == []
    second = hasty_worker(chords, "second", claim_seconds)
    second.start()
    ready_at = time.monotonic()

    assert result.get(timeout=PATIENCE_SECONDS + claim_seconds) == [0, 1, 2]
    took_seconds = time.monotonic() - ready_at
    assert chords.wait_for_messages((0, 0)) == (0, 0)
    assert second.stop() == 0
    assert [each.task_id for each in chords.effects(name)] == [result.id]
    assert took_seconds < LEASE_SECONDS + claim_seconds + LATE_SECONDS


@pytest.mark.soak
def test_who_is_killed_after_the_body_is_sent_may_have_it_sent_again(
    chords: ChordProject, fault_proxy: FaultProxy
) -> None:
    """Then it is the same task for a second time."""
    name = uuid4().hex
    victim = hasty_worker(chords, "victim", HASTY_SECONDS, fault_proxy)
    victim.start()
    slow = Delay(seconds=1.0)
    with fault_proxy.switched_on(slow, operations=["sqs.SendMessage"]):
        header = [chords.task("late_echo", number, name) for number in range(3)]
        result = chord(header, chords.task("body", name).set(queue="bodies")).delay()
        assert fault_proxy.faulted.wait_for("sqs.SendMessage", timeout_seconds=PATIENCE_SECONDS)
        fault_proxy.switch_on(HalfOpen(), operations=["dynamodb.UpdateItem"])
        assert fault_proxy.faulted.wait_for("dynamodb.UpdateItem", timeout_seconds=PATIENCE_SECONDS)
        victim.kill()
    assert chords.wait_for_messages((1, 0), "bodies") == (1, 0)

    with hasty_worker(chords, "second", HASTY_SECONDS):
        assert chords.wait_for_messages((2, 0), "bodies") == (2, 0)
        assert chords.wait_for_messages((0, 0)) == (0, 0)
    with chords.worker(name="third", queues=["bodies"]):
        assert result.get(timeout=PATIENCE_SECONDS) == [0, 1, 2]
        sent = chords.wait_for_effects(name, count=2)
    assert [(each.task_id, each.value) for each in sent] == [(result.id, [0, 1, 2])] * 2


def test_a_worker_that_is_stopped_ends_the_chord_first(chords: ChordProject) -> None:
    """Nothing waits for a visibility timeout or a claim."""
    chords.configure(broker_transport_options={"visibility_timeout": 600})
    name = uuid4().hex
    header = [chords.task("late_echo", number, name, 0.3) for number in range(8)]
    leaving = chords.worker(name="leaving")
    leaving.start()
    result = chord(header, chords.task("body", name)).delay()
    chords.wait_for_effects(name, "part", count=7)
    leaving.send_signal(signal.SIGTERM)
    assert leaving.wait() == 0

    with chords.worker(name="second"):
        assert result.get(timeout=PATIENCE_SECONDS) == list(range(8))
        assert chords.wait_for_messages((0, 0)) == (0, 0)
    assert [each.task_id for each in chords.effects(name)] == [result.id]
    assert sorted(each.value for each in chords.effects(name, "part")) == list(range(8))


def hasty_worker(
    chords: ChordProject, name: str, claim_seconds: float, proxy: FaultProxy | None = None
) -> WorkerProcess:
    """Return a worker whose claims on chords are over so soon, behind a proxy if there is one."""
    environment = {"PROJ_CLAIM_SECONDS": str(claim_seconds)}
    if proxy is None:
        return chords.worker(name=name, environment=environment)
    return chords.worker_behind(proxy, name=name, environment=environment)
