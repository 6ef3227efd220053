"""What a real worker will not run ends in the dead-letter queue, and the worker goes on."""

import json
import re
from collections import Counter
from typing import Any

import boto3
import pytest

from tests.integration.workers.conftest import PATIENCE_SECONDS, Project

pytestmark = [pytest.mark.worker, pytest.mark.oldest]

RECEIVES = 2


@pytest.fixture
def impatient(project: Project) -> Project:
    """A project whose messages come back after a second, and twice."""
    project.configure(
        broker_transport_options={"visibility_timeout": 1, "max_receive_count": RECEIVES}
    )
    return project


class DeadLetters:
    """The dead-letter queue of the default queue; reading it takes the messages out."""

    def __init__(self, project: Project) -> None:
        self._url = project.queue_url("celery-dead-letter")
        self._sqs = boto3.client("sqs")
        self.messages: list[dict[str, Any]] = []

    def wait_for(self, count: int) -> list[str]:
        """Return the bodies once there are so many."""
        for _ in range(PATIENCE_SECONDS):
            answer = self._sqs.receive_message(
                QueueUrl=self._url,
                WaitTimeSeconds=1,
                MaxNumberOfMessages=10,
                VisibilityTimeout=600,
                MessageAttributeNames=["All"],
            )
            self.messages += answer.get("Messages", [])
            if len(self.messages) >= count:
                break
        return [message["Body"] for message in self.messages]


REFUSED = ["proj.fail_unacknowledged", "proj.reject"]


#: What Celery says each time of each of them.
SAID = {
    "unknown format": "Received and deleted unknown message",
    "wrong base64": "Can't decode message body: Error(",
    "wrong JSON": "Can't decode message body: DecodeError(",
    "pickle": "Received invalid task message",
    "unknown task": "Received unregistered task of type",
}


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_a_task_that_is_refused_for_good_runs_once(project: Project, pool: str) -> None:
    client = project.client()
    attributes = {"tenant": {"DataType": "String", "StringValue": "7"}}
    sent = [
        client.send_task(name, (name,), ignore_result=True, message_attributes=attributes)
        for name in REFUSED
    ]
    dead_letters = DeadLetters(project)
    with project.worker(pool=pool) as worker:
        bodies = dead_letters.wait_for(len(sent))
        assert client.send_task("proj.add", (1, 1)).get(timeout=PATIENCE_SECONDS) == 2
        assert worker.stop() == 0
    assert {json.loads(body)["headers"]["id"] for body in bodies} == {each.id for each in sent}
    assert all(each["MessageAttributes"] == attributes for each in dead_letters.messages)
    for name in REFUSED:
        assert len(re.findall(rf"Task {name}\[.*\] received", worker.log)) == 1, worker.log
    assert project.messages() == (0, 0)


def test_a_refused_task_of_a_fifo_queue_opens_its_group(project: Project) -> None:
    client = project.client()
    options = {"queue": "orders.fifo", "MessageGroupId": "g"}
    client.send_task("proj.reject", ("no",), ignore_result=True, **options)
    after = client.send_task("proj.add", (1, 1), **options)
    with project.worker(pool="solo", queues=["orders.fifo"]):
        assert after.get(timeout=PATIENCE_SECONDS) == 2
    assert project.messages("orders.fifo") == (0, 0)
    assert project.messages("orders-dead-letter.fifo") == (1, 0)


def test_what_a_worker_does_not_understand_comes_a_few_times_and_holds_up_nothing(
    impatient: Project,
) -> None:
    client = impatient.client()
    client.send_task("proj.quiet", ignore_result=True)  # creates the queues
    sqs, url = boto3.client("sqs"), impatient.queue_url()
    envelope = {"properties": {"delivery_info": {}, "body_encoding": "base64"}, "headers": {}}
    bad = [
        "hello, is this a queue?",
        json.dumps({**envelope, "body": "x"}),
        json.dumps({**envelope, "body": "ew==", "content-type": "application/json"}),
    ]
    for body in bad:
        sqs.send_message(QueueUrl=url, MessageBody=body)
    strange = client.send_task("proj.add", (1, 1), serializer="pickle", ignore_result=True)
    unknown = client.send_task("proj.no_such_task", ignore_result=True)
    with impatient.worker(pool="solo") as worker:
        assert client.send_task("proj.add", (1, 1)).get(timeout=PATIENCE_SECONDS) == 2
        bodies = DeadLetters(impatient).wait_for(len(bad) + 2)
        assert client.send_task("proj.add", (2, 2)).get(timeout=PATIENCE_SECONDS) == 4
        assert worker.stop() == 0
    assert {*bad} < {*bodies}
    assert Counter(
        json.loads(body)["headers"].get("id") for body in bodies if body.startswith("{")
    ) == {None: len(bad) - 1, strange.id: 1, unknown.id: 1}
    assert impatient.messages() == (0, 0)
    assert {what: worker.log.count(words) for what, words in SAID.items()} == dict.fromkeys(
        SAID, RECEIVES
    )
    assert "Unrecoverable error" not in worker.log
