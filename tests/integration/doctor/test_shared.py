"""What the coordination table and the names of queues tell: workers, parked tasks, leftovers."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import boto3
import pytest
from kombu import Exchange, Queue

from celery_aws.clock import SystemClock
from celery_aws.core.inboxes import inbox_name
from celery_aws.doctor import diagnose
from tests.integration.doctor.conftest import Patient


class LateClock(SystemClock):
    """A clock that is ahead by two hours."""

    def now(self) -> Any:
        return super().now() + timedelta(hours=2)


def test_parked_tasks(patient: Patient) -> None:
    patient.app.send_task("shop.mail", countdown=3_600, task_id="parked-one")
    assert patient.ids() == ["parked-tasks-unprotected"]

    boto3.client("dynamodb").update_table(
        TableName=patient.coordination_table, DeletionProtectionEnabled=True
    )
    assert patient.findings() == {}


def test_parked_tasks_that_nobody_moves(patient: Patient) -> None:
    patient.app.send_task("shop.mail", countdown=3_600, task_id="parked-one")
    report = diagnose(patient.app, clock=LateClock())
    late = next(each for each in report.findings if each.id == "parked-tasks-late")
    assert late.what == f"coordination table {patient.coordination_table}"
    assert late.evidence.startswith("task parked-one of queue celery was due")
    assert "clock-far-off" in {each.id for each in report.findings}


def test_messages_that_nobody_consumes(patient: Patient) -> None:
    patient.app.send_task("shop.mail")
    found = patient.findings()
    assert found.keys() == {"messages-without-workers"}
    assert found["messages-without-workers"]["evidence"] == f"1 in {patient.name('celery')}"
    patient.app.conf.worker_enable_remote_control = False
    assert patient.ids() == ["remote-control-off"]


def test_a_binding_of_a_queue_that_is_gone(patient: Patient) -> None:
    news = Queue("news", Exchange("news", type="topic"), routing_key="#")
    with patient.app.connection_for_write() as connection:
        news(connection.default_channel).declare()
    assert patient.findings() == {}
    boto3.client("sqs").delete_queue(QueueUrl=patient.url("news"))
    assert patient.findings()["binding-without-queue"]["what"] == f"queue {patient.name('news')}"


@pytest.mark.parametrize(
    "name",
    [
        "celeryev-c8024cd1-4999-4659-9483-c4330b002b9e",
        "3563f6c6-f1b8-4a8f-8414-2d8972011a2d-reply-celery-pidbox",
        "celery_a-celery-pidbox",
    ],
)
def test_queues_of_celerys_own_transport(patient: Patient, name: str) -> None:
    sqs = boto3.client("sqs")
    url = sqs.create_queue(QueueName=patient.name(name))["QueueUrl"]
    found = patient.findings()
    assert found.keys() == {"stock-queues-left"}
    assert found["stock-queues-left"]["evidence"] == patient.name(name)
    sqs.delete_queue(QueueUrl=url)
    assert patient.findings() == {}


def test_an_inbox_of_nobody(patient: Patient) -> None:
    sqs = boto3.client("sqs")
    name = inbox_name(patient.here.queue_name_prefix, uuid4().hex)
    url = sqs.create_queue(QueueName=name, Attributes={"FifoQueue": "true"})["QueueUrl"]
    assert patient.findings()["inboxes-orphaned"]["evidence"] == name
    sqs.delete_queue(QueueUrl=url)
    assert patient.findings() == {}
