"""What workers do with a task that comes early, was revoked while it was parked, or has expired."""

import base64
import json
import pickle
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import boto3
import pytest
from celery import Celery
from celery.exceptions import TaskRevokedError

from celery_aws.broker.coordination import Coordination
from celery_aws.core.hop_marks import mark_hop
from celery_aws.core.messages import OutgoingMessage
from celery_aws.core.schedule import STANDARD
from tests.integration.workers.conftest import PATIENCE_SECONDS, RecordedProject
from tests.integration.workers.recording import all_ended

pytestmark = pytest.mark.worker

TASK = "recorded.early"
#: Longer than SQS can delay.
LONG_SECONDS = 1_000
AHEAD_SECONDS = 7
#: Within which a task starts after its eta.
LATE_SECONDS = 1.0


def now() -> datetime:
    return datetime.now(timezone.utc)


def stock_body(message: Any) -> str:
    """Return a JSON task as the stock transport writes it."""
    return dumped(json.dumps(message.body).encode(), "application/json", message.headers)


def dumped(body: bytes, content_type: str, headers: dict[str, Any]) -> str:
    envelope = {
        "body": base64.b64encode(body).decode(),
        "content-type": content_type,
        "content-encoding": "utf-8",
        "headers": headers,
        "properties": {"body_encoding": "base64", "delivery_info": {}, "delivery_tag": "1"},
    }
    return base64.b64encode(json.dumps(envelope).encode()).decode()


def from_a_stock_producer(app: Celery, task_id: str, eta: datetime) -> OutgoingMessage:
    return OutgoingMessage(body=stock_body(app.amqp.as_task_v2(task_id, TASK, (0,), {}, eta=eta)))


def a_step_that_only_the_worker_can_read(
    app: Celery, task_id: str, eta: datetime
) -> OutgoingMessage:
    message = app.amqp.as_task_v1(task_id, TASK, (0,), {}, eta=eta)
    body = dumped(pickle.dumps(message.body), "application/x-python-serialize", message.headers)
    return mark_hop(OutgoingMessage(body=body), eta)


EARLY: dict[str, Callable[[Celery, str, datetime], OutgoingMessage]] = {
    "stock": from_a_stock_producer,
    "step": a_step_that_only_the_worker_can_read,
}


@pytest.mark.oldest
def test_what_comes_early_waits_in_the_queue(recorded: RecordedProject) -> None:
    recorded.configure(
        accept_content=["json", "pickle"],
        broker_transport_options={"coordination_table": False, "short_eta_seconds": 1},
    )
    worker = recorded.worker(
        pool="prefork", environment={"C_FORCE_ROOT": "1"}, arguments=["--prefetch-multiplier", "1"]
    )
    with worker:
        sent_at, eta = time.monotonic(), now() + timedelta(seconds=AHEAD_SECONDS)
        for task_id, made in EARLY.items():
            message = made(recorded.sender, task_id, eta)
            boto3.client("sqs").send_message(
                QueueUrl=recorded.queue_url(),
                MessageBody=message.body,
                MessageAttributes=dict(message.message_attributes),
            )
        assert recorded.wait_for_messages((0, 0)) == (0, 0)
        # Twice as many as the worker may have at a time.
        others = [recorded.send(f"other-{number}") for number in range(8)]
        assert recorded.recording.wait_for(all_ended(others), AHEAD_SECONDS / 2)
        assert recorded.wait_for_messages((0, 0)) == (0, 0)
        while time.monotonic() < sent_at + AHEAD_SECONDS - 2:
            assert recorded.messages() == (0, 0)
            time.sleep(0.05)

        assert recorded.recording.wait_for(all_ended(EARLY), PATIENCE_SECONDS)

    for task_id in EARLY:
        (reception,) = recorded.recording.record.received(task_id)
        (run,) = recorded.recording.record.of(task_id)
        assert reception.at > sent_at + AHEAD_SECONDS - 2
        assert 0 <= run.started - (sent_at + AHEAD_SECONDS) < LATE_SECONDS
    assert recorded.wait_for_messages((0, 0)) == (0, 0)


class Parked:
    """The parked tasks of a project, and a way to let their time come."""

    def __init__(self, app: Celery) -> None:
        self._connection = app.connection_for_write()
        found: Coordination | None = self._connection.transport.coordination
        assert found is not None
        self._schedule = found.schedule

    def count(self) -> int:
        return sum(self._schedule.count(each.shard) for each in self._schedule.markers(STANDARD))

    def let_time_pass(self, **etas: datetime) -> None:
        """Let the time be near at which tasks are due, and may leave the schedule."""
        entries = [
            entry
            for marker in self._schedule.markers(STANDARD)
            for page in self._schedule.entries(marker.shard)
            for entry in page
        ]
        for entry in entries:
            task = self._schedule.task_of(entry)
            assert task is not None
            due = etas[task.task_id]
            envelope = json.loads(task.message.body)
            envelope["headers"]["eta"] = due.isoformat()
            message = replace(task.message, body=json.dumps(envelope))
            self._schedule.park(replace(task, due=due, send_after=now(), message=message), STANDARD)
        self._schedule.remove(entries)


@pytest.mark.oldest
def test_a_revoke_is_known_to_workers_that_did_not_run(recorded: RecordedProject) -> None:
    recorded.configure(task_ignore_result=False, broker_transport_options={"short_eta_seconds": 1})
    app = recorded.sender
    recorded.send("revoked", countdown=LONG_SECONDS)
    recorded.send("wanted", countdown=LONG_SECONDS)
    parked = Parked(recorded.root())
    assert parked.count() == 2

    app.AsyncResult("revoked").revoke()
    with recorded.worker(pool="threads"):
        pass
    due = now() + timedelta(seconds=4)
    parked.let_time_pass(revoked=due, wanted=due)

    with recorded.worker(pool="threads") as worker:
        with pytest.raises(TaskRevokedError):
            app.AsyncResult("revoked").get(timeout=PATIENCE_SECONDS)
        worker.wait_for_log(r"Discarding revoked task: recorded\.\w+\[revoked\]")
        assert app.AsyncResult("wanted").get(timeout=PATIENCE_SECONDS)
        assert app.AsyncResult("revoked").state == "REVOKED"

    record = recorded.recording.record
    assert record.starts(["revoked", "wanted"]) == {"revoked": 0, "wanted": 1}
    assert recorded.wait_for_messages((0, 0)) == (0, 0)


@pytest.mark.oldest
def test_what_expires_before_its_eta_never_runs(recorded: RecordedProject) -> None:
    """Whether SQS has delayed it or it was parked."""
    recorded.configure(task_ignore_result=False, broker_transport_options={"short_eta_seconds": 1})
    app = recorded.sender
    soon, due = now() + timedelta(seconds=2), now() + timedelta(seconds=6)
    recorded.send("parked", countdown=LONG_SECONDS, expires=soon)
    recorded.send("delayed", eta=due, expires=soon)
    recorded.send("wanted", eta=due)
    Parked(recorded.root()).let_time_pass(parked=due)

    with recorded.worker(pool="threads"):
        assert app.AsyncResult("wanted").get(timeout=PATIENCE_SECONDS)
        for task_id in ("parked", "delayed"):
            with pytest.raises(TaskRevokedError, match="expired"):
                app.AsyncResult(task_id).get(timeout=PATIENCE_SECONDS)

    record = recorded.recording.record
    assert {run.task_id for run in record.runs} == {"wanted"}
    assert recorded.wait_for_messages((0, 0)) == (0, 0)
