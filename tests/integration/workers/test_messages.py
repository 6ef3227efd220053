"""Messages that are no tasks: the worker says so, settles them, and goes on."""

import base64
import json

import boto3
import pytest

from celery_aws.errors import MessageTooLargeError
from tests.integration.workers.conftest import PATIENCE_SECONDS, Project

pytestmark = [pytest.mark.worker, pytest.mark.oldest]

ENVELOPE = {"properties": {"delivery_info": {}, "body_encoding": "base64"}, "headers": {}}

BAD_BODIES = {
    "not JSON": "hello, is this a queue?",
    "JSON of somebody else": json.dumps({"source": "aws.s3", "detail": {"bucket": "b"}}),
    "a JSON list": "[1, 2, 3]",
    "base64 of nothing": base64.b64encode(b"\xff\xfe").decode(),
    "an envelope whose body is no base64": json.dumps({**ENVELOPE, "body": "%%%"}),
    "an envelope without a body": json.dumps(ENVELOPE),
    "an envelope with a wrong shape": json.dumps({"body": 1, "properties": [], "headers": 3}),
}


def test_a_message_that_is_no_task_is_reported_and_settled(project: Project) -> None:
    """On a queue without a dead-letter queue, where the stock transport deletes it too."""
    project.configure(broker_transport_options={"max_receive_count": 0})
    client = project.client()
    client.send_task("proj.quiet", ignore_result=True)  # creates the queue
    for body in BAD_BODIES.values():
        boto3.client("sqs").send_message(QueueUrl=project.queue_url(), MessageBody=body)
    unknown = client.send_task("proj.no_such_task", ignore_result=True)
    with project.worker(pool="solo") as worker:
        last = client.send_task("proj.add", (1, 1))
        assert last.get(timeout=PATIENCE_SECONDS) == 2
        worker.wait_for_log("Received unregistered task of type 'proj.no_such_task'")
        assert unknown.id in worker.log
        for what, words in {
            "not JSON": "hello, is this a queue",
            "JSON of somebody else": "aws.s3",
        }.items():
            assert words in worker.log, what
        assert worker.stop() == 0
    assert project.messages() == (0, 0)
    assert "Unrecoverable error" not in worker.log


def test_a_task_may_be_nearly_as_large_as_sqs_takes(project: Project) -> None:
    """Stock encodes twice and ends at 588,000 characters."""
    client = project.client()
    with project.worker(pool="solo"):
        result = client.send_task("proj.length", ("x" * 1_040_000,))
        assert result.get(timeout=PATIENCE_SECONDS) == 1_040_000
    with pytest.raises(MessageTooLargeError, match="SQS takes 1048576"):
        client.send_task("proj.length", ("x" * 1_049_000,))


def test_a_redelivered_message_says_so(project: Project) -> None:
    client = project.client()
    result = client.send_task("proj.delivery")
    sqs, url = boto3.client("sqs"), project.queue_url()
    [message] = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5)["Messages"]
    sqs.change_message_visibility(
        QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
    )
    with project.worker(pool="solo"):
        assert result.get(timeout=PATIENCE_SECONDS)["redelivered"] is True
        again = client.send_task("proj.delivery")
        assert again.get(timeout=PATIENCE_SECONDS)["redelivered"] is False
