"""AWS and the network fail for a while under a steady flow of tasks: the worker goes on after.

All faults at once, each with a worker, a queue and a proxy of its own: what they take is waiting,
above all for messages that SQS handed out to nobody (visibility_timeout). ``CELERY_AWS_SOAK``
lets each fault last a minute.
"""

import json
import os
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import pytest

from celery_aws.local import LocalAws
from celery_aws.testing import (
    EXPIRED_CREDENTIALS,
    INTERNAL_ERROR,
    SERVICE_UNAVAILABLE,
    THROTTLED,
    Cut,
    Delay,
    FaultProxy,
    HalfOpen,
    LostReply,
)
from celery_aws.testing.proxy_faults import Fault
from tests.integration.workers.fault_runs import Outcome, Scene, Trouble, outcome_of

pytestmark = [
    pytest.mark.worker,
    pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc"),
]

FAULT_SECONDS = 60.0 if os.environ.get("CELERY_AWS_SOAK") else 6.0

#: Seconds after the end of a fault within which the worker must consume again.
RECOVERY_SECONDS = 5.0

#: What the memory of a worker's main process may grow by in a run: modules that only failures
#: load, and what Python keeps. Seen: 0.5 MiB at most, in a minute of failures.
RESIDENT_TOLERANCE_BYTES = 4 * 2**20

#: Connections that a worker's main process may have more than before: one for each client, that
#: was in use when the fault was on and is kept.
SOCKETS_TOLERANCE = 2

#: Workers that may start at once.
STARTS_AT_ONCE = 2

UNDECODABLE = (
    "hello, is this a queue?",
    json.dumps({"body": "%%%", "properties": {"body_encoding": "base64"}, "headers": {}}),
    json.dumps({"body": 1, "properties": [], "headers": 3}),
)


def proxied(fault: Fault) -> Trouble:
    def trouble(scene: Scene) -> AbstractContextManager[None]:
        return scene.proxy.switched_on(fault)

    return trouble


@contextmanager
def queue_deleted(scene: Scene) -> Iterator[None]:
    """Delete the queue when nothing is left in it that could be lost; then create it again."""
    with scene.flow.paused():
        assert scene.until(lambda: scene.messages() == 0), scene.worker.log
        scene.sqs.delete_queue(QueueUrl=scene.queue_url)
        yield
        scene.sqs.create_queue(QueueName=scene.queue_name)


@contextmanager
def undecodable(scene: Scene) -> Iterator[None]:
    for body in UNDECODABLE:
        scene.sqs.send_message(QueueUrl=scene.queue_url, MessageBody=body)
    yield


TROUBLES: dict[str, Trouble] = {
    "requests take a second longer": proxied(Delay(seconds=1.0)),
    "500": proxied(INTERNAL_ERROR),
    "503": proxied(SERVICE_UNAVAILABLE),
    "throttled": proxied(THROTTLED),
    "cut": proxied(Cut()),
    "half-open": proxied(HalfOpen()),
    "answers are lost": proxied(LostReply()),
    "credentials expired": proxied(EXPIRED_CREDENTIALS),
    "queue deleted": queue_deleted,
    "undecodable messages": undecodable,
}

#: Those that the proxy takes no part in.
WITHOUT_PROXY = ("queue deleted", "undecodable messages")


@pytest.fixture(scope="module")
def outcomes(
    local_aws: LocalAws, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[Outcome]]]:
    """Let a worker meet each trouble that a selected test asks for, all at once."""
    selected = {
        item.callspec.params["name"]
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.module is request.module
    }
    wanted = [name for name in TROUBLES if name in selected]
    folder = tmp_path_factory.mktemp("starts")
    starting = threading.Semaphore(STARTS_AT_ONCE)
    with ExitStack() as stack, environment_of(local_aws), ThreadPoolExecutor(len(wanted)) as pool:
        # Ended in reverse: the pool waits for scenes, which end when their workers are killed.
        scenes = {}
        for name in wanted:
            proxy = stack.enter_context(FaultProxy(local_aws.endpoint_url))
            scenes[name] = Scene(name.replace(" ", "-"), local_aws, proxy, folder, stack)
        yield {
            name: pool.submit(
                outcome_of, scene, TROUBLES[name], seconds=FAULT_SECONDS, starting=starting
            )
            for name, scene in scenes.items()
        }
        for scene in scenes.values():
            scene.worker.kill()


@contextmanager
def environment_of(local_aws: LocalAws) -> Iterator[None]:
    """Set what ``aws_environment`` sets for one test, names of queues aside."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in local_aws.environment().items():
            patch.setenv(name, value)
        # They would win over the configuration.
        for name in ("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"):
            patch.delenv(name)
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
            patch.delenv(name, raising=False)
        yield


@pytest.mark.parametrize("name", TROUBLES)
def test_a_worker_goes_on_after(name: str, outcomes: dict[str, Future[Outcome]]) -> None:
    outcome = outcomes[name].result()
    print(f"{name}: {outcome.summary}")

    assert not outcome.lost
    assert outcome.recovery_seconds <= RECOVERY_SECONDS
    assert bool(outcome.faulted) is (name not in WITHOUT_PROXY)
    assert outcome.messages_left == 0
    assert outcome.exit_code == 0
    assert "by a bug in celery-aws" not in outcome.log
    assert "Unrecoverable error" not in outcome.log


@pytest.mark.parametrize("name", TROUBLES)
def test_a_worker_is_the_same_after(name: str, outcomes: dict[str, Future[Outcome]]) -> None:
    outcome = outcomes[name].result()
    before, after = outcome.before, outcome.after

    assert outcome.pool_after == outcome.pool_before
    assert after.threads <= before.threads
    assert after.sockets <= before.sockets + SOCKETS_TOLERANCE
    assert after.resident_bytes <= before.resident_bytes + RESIDENT_TOLERANCE_BYTES
