"""Generated policies are enough, and nothing in them is idle: on an AWS that checks rights."""

import random
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from celery.exceptions import BackendStoreError
from celery.exceptions import TimeoutError as CeleryTimeoutError

from celery_aws.errors import AccessDeniedError, CeleryAwsError
from celery_aws.iam import PolicyDocument, PolicyOptions, Role, policy
from celery_aws.local import LocalAws
from celery_aws.testing import WorkerProcess
from celery_aws.testing.fixtures import new_environment
from tests.integration.flower.flower_process import FlowerProcess
from tests.integration.policed import (
    DENIED,
    SWITCH,
    NotProvisionedError,
    User,
    account,
    deployed,
    operate,
    provision,
)
from tests.integration.workers.conftest import Project, close_control_planes
from tests.integration.workers.policy_scene import (
    LATE_SECONDS,
    MIB,
    NEVER_SECONDS,
    Deed,
    NotAllowedError,
    PolicyScene,
    ending,
)

pytestmark = pytest.mark.worker

#: Whatever says that something does not work.
REFUSALS = (CeleryAwsError, BackendStoreError, CeleryTimeoutError, NotAllowedError)

#: What fails without a statement; all of them together are what an app does.
DEEDS: dict[Role, dict[str, tuple[Callable[[Deed], None], ...]]] = {
    Role.PRODUCER: {
        "SendTasks": (Deed.task, Deed.priority, Deed.ordered, Deed.delayed),
        "ParkTasks": (Deed.parked, Deed.moved),
        "FindBindings": (Deed.routed,),
        "LargeMessages": (Deed.large_message,),
        "ReadResults": (Deed.task, Deed.retried, Deed.batched),
        "SaveGroupsAndChords": (Deed.chorded, Deed.saved),
        "ForgetResults": (Deed.forgotten,),
        "KeepPieces": (Deed.pieces_forgotten,),
        "LargeResults": (Deed.large_result, Deed.large_group),
    },
    Role.WORKER: {
        "WorkOnTasks": (Deed.task,),
        "MoveToDeadLetters": (Deed.rejected,),
        "KeepInbox": (Deed.commanded,),
        "ShareCoordination": (Deed.moved,),
        "LargeMessages": (Deed.large_message,),
        "StoreResults": (Deed.task,),
        "LargeResults": (Deed.large_result,),
    },
    Role.MONITOR: {
        "WatchQueues": (Deed.watched,),
        "KeepInbox": (Deed.listened,),
        "CommandWorkers": (Deed.commanded, Deed.inspected, Deed.revoked),
        "CountParkedTasks": (Deed.counted,),
        "ReadUsage": (Deed.billed,),
    },
}

#: The local AWS tells who may not list a bucket, too, that an object is missing.
IDLE_HERE = {"MissLargeMessages", "MissLargeResults"}


@pytest.fixture(scope="module")
def scene() -> Iterator[PolicyScene]:
    """An app whose resources a provisioner made, on an AWS of its own."""
    with pytest.MonkeyPatch.context() as monkeypatch, ExitStack() as stack:
        environment = new_environment(stack.enter_context(LocalAws(auth=True)))
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", SWITCH):
            monkeypatch.delenv(name, raising=False)
        for name, value in environment.variables.items():
            monkeypatch.setenv(name, value)
        for name in ("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"):
            monkeypatch.delenv(name)
        stack.callback(close_control_planes)
        yield PolicyScene(Project(environment, stack))


def test_every_statement_is_tried(scene: PolicyScene) -> None:
    for role, deeds in DEEDS.items():
        sids = {each.sid for each in scene.policy(role).statements}
        assert sids - IDLE_HERE == set(deeds), role


def test_policies_are_enough(scene: PolicyScene, caplog: pytest.LogCaptureFixture) -> None:
    deed = Deed(scene, scene.app(Role.PRODUCER), scene.app(Role.MONITOR))
    deeds = {each for of_role in DEEDS.values() for those in of_role.values() for each in those}
    with ending(scene.new_worker(pool="prefork", concurrency=2)) as worker:
        worker.start()
        for each in sorted(deeds, key=lambda each: each.__name__):
            each(deed)
        assert worker.stop() == 0
    for text in (worker.log, caplog.text):
        assert DENIED not in text
        assert "AccessDenied" not in text


def with_worker(worker: WorkerProcess, do: Callable[[Deed], None], deed: Deed) -> None:
    with ending(worker):
        worker.start()
        do(deed)


# Before those that need a worker which may do everything, or that one would do it.
@pytest.mark.parametrize("sid", DEEDS[Role.WORKER])
def test_no_statement_of_a_worker_is_idle(scene: PolicyScene, sid: str) -> None:
    seconds = LATE_SECONDS if sid == "ShareCoordination" else NEVER_SECONDS
    deed = Deed(scene, scene.app(Role.PRODUCER), scene.app(Role.MONITOR), seconds)
    worker = scene.new_worker(scene.policy(Role.WORKER).without(sid))
    for each in DEEDS[Role.WORKER][sid]:
        with pytest.raises(REFUSALS):
            with_worker(worker, each, deed)
    assert DENIED in worker.log


@pytest.fixture(scope="module")
def worker(scene: PolicyScene) -> Iterator[None]:
    with ending(scene.new_worker()) as worker:
        worker.start()
        yield


@pytest.mark.parametrize("sid", DEEDS[Role.PRODUCER])
def test_no_statement_of_a_producer_is_idle(
    scene: PolicyScene, worker: None, sid: str, caplog: pytest.LogCaptureFixture
) -> None:
    producer = scene.app(Role.PRODUCER, scene.policy(Role.PRODUCER).without(sid))
    deed = Deed(scene, producer, scene.app(Role.MONITOR), NEVER_SECONDS)
    for each in DEEDS[Role.PRODUCER][sid]:
        with pytest.raises(REFUSALS) as refusal:
            each(deed)
        assert DENIED in f"{refusal.value}{caplog.text}"


@pytest.mark.parametrize("sid", DEEDS[Role.MONITOR])
def test_no_statement_of_a_monitor_is_idle(
    scene: PolicyScene, worker: None, sid: str, caplog: pytest.LogCaptureFixture
) -> None:
    monitor = scene.app(Role.MONITOR, scene.policy(Role.MONITOR).without(sid))
    deed = Deed(scene, scene.app(Role.PRODUCER), monitor, NEVER_SECONDS)
    for each in DEEDS[Role.MONITOR][sid]:
        with pytest.raises(REFUSALS) as refusal:
            each(deed)
        assert DENIED in f"{refusal.value}{caplog.text}"


def test_flower_is_a_monitor(scene: PolicyScene, worker: None) -> None:
    may = {**scene.user(Role.MONITOR).variables, "FLOWER_UNAUTHENTICATED_API": "true"}
    with ExitStack() as stack:
        flower = FlowerProcess(scene.project, environment=may)
        stack.callback(flower.kill)
        (facts,) = flower.json("/api/workers?refresh=1").values()
        queues = flower.json("/api/queues/length")["active_queues"]
        answer, _ = flower.get("/broker")
    assert {each["name"] for each in facts["active_queues"]} >= {"celery", "news", "orders.fifo"}
    assert {each["name"] for each in queues} >= {"celery", "news", "orders.fifo"}
    assert answer.status == 200
    assert DENIED not in flower.log


#: What an operator is allowed, and what fails without it.
MAKING, DELETING = (
    ("MakeQueues", "MakeTables", "MakeBuckets"),
    ("DeleteQueues", "FindInboxes", "DeleteTables", "DeleteBuckets"),
)


@pytest.fixture
def another(scene: PolicyScene) -> dict[str, Any]:
    """The settings of an app of which nothing is there."""
    token = uuid.uuid4().hex[:8]
    options = {
        **scene.project.config["broker_transport_options"],
        "queue_name_prefix": f"test-{token}-",
        "large_message_bucket": f"big-{token}",
    }
    return {
        **scene.project.config,
        "broker_transport_options": options,
        "result_backend": scene.project.aws.result_backend.replace(
            scene.project.aws.results_table, f"test-{token}-results"
        ),
        "result_backend_transport_options": {"large_result_bucket": f"big-{token}"},
    }


def operator(scene: PolicyScene, config: dict[str, Any], without: str = "") -> User:
    """Return who may make and delete all that an app needs, but for one statement."""
    document = policy(deployed(config), Role.PROVISIONER, account(), PolicyOptions(destroys=True))
    assert {each.sid for each in document.statements} == {*MAKING, *DELETING}
    return scene.user(Role.PROVISIONER, document.without(without))


@pytest.mark.parametrize("sid", MAKING)
def test_no_statement_of_who_makes_things_is_idle(
    scene: PolicyScene, another: dict[str, Any], sid: str
) -> None:
    # What S3 refuses to say of a bucket it refuses without a word.
    denied = f"{DENIED}|Grant s3:ListBucket"
    with pytest.raises((ClientError, CeleryAwsError, NotProvisionedError), match=denied):
        provision(another, operator(scene, another, sid))


@pytest.mark.parametrize("sid", DELETING)
def test_no_statement_of_who_deletes_things_is_idle(
    scene: PolicyScene, another: dict[str, Any], sid: str
) -> None:
    destroy = ("destroy", "--yes-destroy", another["broker_transport_options"]["queue_name_prefix"])
    provision(another, operator(scene, another))
    with pytest.raises(NotProvisionedError, match=DENIED):
        operate(another, operator(scene, another, sid), *destroy)
    operate(another, operator(scene, another), *destroy)


def test_what_a_producer_cannot_send_is_not_left_in_s3(scene: PolicyScene) -> None:
    mute = tuple(
        replace(each, actions=tuple(name for name in each.actions if name != "sqs:SendMessage"))
        for each in scene.policy(Role.PRODUCER).statements
    )
    producer = scene.app(Role.PRODUCER, PolicyDocument(statements=mute))
    before = scene.objects("messages/")

    with pytest.raises(AccessDeniedError):
        producer.send_task("proj.length", (random.Random(3).randbytes(MIB).hex(),))

    assert scene.objects("messages/") == before
