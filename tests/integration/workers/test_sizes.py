"""Arguments of every size through a real worker, and what SQS bills for their messages."""

import hashlib
import json
import random
import string
import uuid
from typing import Any

import boto3
import pytest

from celery_aws.aws.sqs import SqsQueueService
from celery_aws.broker import Transport
from celery_aws.core.billing import billed_requests
from celery_aws.core.messages import OutgoingMessage
from celery_aws.errors import MessageTooLargeError
from celery_aws.limits import SQS_MESSAGE_BYTES
from celery_aws.names import QueueUrl
from tests.integration.workers.conftest import PATIENCE_SECONDS, Project

pytestmark = pytest.mark.worker

MIB = SQS_MESSAGE_BYTES

#: Sizes of arguments, and the chunks of 64 KB that their messages have.
CHUNKS = {16: 1, 36_000: 1, 63_000: 1, 65_000: 2, 300_000: 5, 780_000: 12}

#: Arguments that make a message larger than SQS takes: headers come on top.
THROUGH_S3 = (MIB - 1, MIB + 1, 20_000_000)


class Bucket:
    """A bucket of the test's own."""

    def __init__(self) -> None:
        self.name = f"payloads-{uuid.uuid4().hex[:12]}"
        self._s3 = boto3.client("s3")
        self._s3.create_bucket(Bucket=self.name)

    def sizes(self, prefix: str = "") -> list[int]:
        listed = self._s3.list_objects_v2(Bucket=self.name, Prefix=prefix)
        return sorted(each["Size"] for each in listed.get("Contents", ()))


@pytest.fixture
def bucket(project: Project) -> Bucket:
    made = Bucket()
    project.configure(
        broker_transport_options={
            "large_message_bucket": made.name,
            "large_message_prefix": "tasks/",
        }
    )
    return made


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[OutgoingMessage]:
    """What this process has sent, as SQS got it."""
    messages: list[OutgoingMessage] = []

    class Watched(SqsQueueService):
        def send(self, url: QueueUrl, message: OutgoingMessage) -> str:
            messages.append(message)
            return super().send(url, message)

    monkeypatch.setattr(Transport, "services", Watched)
    return messages


def noise(size: int) -> str:
    """Return a text that no compression makes much smaller."""
    return "".join(random.Random(size).choices(string.ascii_letters + string.digits, k=size))


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def plain_bytes(body: str) -> int:
    """Return the size of Celery's own JSON in a message: its arguments, headers and properties."""
    envelope = json.loads(body)
    return len(envelope["body"]) + len(json.dumps({**envelope, "body": ""}))


@pytest.mark.parametrize(
    "pool",
    [
        pytest.param("prefork", marks=pytest.mark.oldest),
        "gevent",
        pytest.param("threads", marks=pytest.mark.soak),
        pytest.param("solo", marks=pytest.mark.soak),
    ],
)
def test_arguments_of_every_size_arrive(
    project: Project, bucket: Bucket, sent: list[OutgoingMessage], pool: str
) -> None:
    sizes = [*CHUNKS, *THROUGH_S3]
    client = project.client()
    results = [client.send_task("proj.digest", (noise(size),)) for size in sizes]

    assert all(size > MIB for size in bucket.sizes("tasks/"))
    assert len(bucket.sizes("tasks/")) == len(THROUGH_S3)
    with project.worker(pool=pool) as worker:
        digests = [result.get(timeout=PATIENCE_SECONDS) for result in results]
        assert worker.stop() == 0, worker.log

    assert digests == [digest(noise(size)) for size in sizes]
    assert project.messages() == (0, 0)
    assert bucket.sizes() == [], "they go with their messages"
    bills = [billed_requests(message.size_bytes) for message in sent]
    assert bills == [*CHUNKS.values(), 1, 1, 1]
    for message in sent[: len(CHUNKS)]:
        assert billed_requests(message.size_bytes) == billed_requests(plain_bytes(message.body))


def test_without_a_bucket_the_limit_is_that_of_sqs_to_the_byte(
    project: Project, sent: list[OutgoingMessage]
) -> None:
    client = project.client()
    client.send_task("proj.digest", (noise(100_000),))
    headers_bytes = sent[0].size_bytes - 100_000
    texts = [noise(whole - headers_bytes) for whole in (MIB - 1, MIB, MIB + 1)]

    results = [client.send_task("proj.digest", (text,)) for text in texts[:2]]
    with pytest.raises(MessageTooLargeError, match="large_message_bucket") as caught:
        client.send_task("proj.digest", (texts[2],))

    assert (caught.value.size_bytes, caught.value.limit_bytes) == (MIB + 1, MIB)
    assert [message.size_bytes for message in sent[1:]] == [MIB - 1, MIB]
    with project.worker(pool="solo"):
        for result, text in zip(results, texts, strict=False):
            assert result.get(timeout=PATIENCE_SECONDS) == digest(text)


def test_compressed_on_request(project: Project, sent: list[OutgoingMessage]) -> None:
    project.configure(broker_transport_options={"compression": "gzip"})
    client = project.client()
    texts = ["row;" * 15_000, "row;" * 250_000, "row;" * 1_000_000]
    results = [client.send_task("proj.digest", (text,)) for text in texts]

    assert [billed_requests(message.size_bytes) for message in sent] == [1, 1, 1]
    with project.worker(pool="prefork"):
        for result, text in zip(results, texts, strict=True):
            assert result.get(timeout=PATIENCE_SECONDS) == digest(text)


def test_a_queue_of_before_august_2025_takes_less(
    project: Project, bucket: Bucket, sent: list[OutgoingMessage]
) -> None:
    attributes = {"MaximumMessageSize": "262144"}
    name = f"{project.aws.queue_name_prefix}celery"
    boto3.client("sqs").create_queue(QueueName=name, Attributes=attributes)
    client = project.client()
    texts = [noise(size) for size in (250_000, 300_000)]
    results = [client.send_task("proj.digest", (text,)) for text in texts]

    assert [size > 300_000 for size in bucket.sizes()] == [True]
    assert [message.size_bytes > 250_000 for message in sent] == [True, False]
    with project.worker(pool="solo"):
        for result, text in zip(results, texts, strict=True):
            assert result.get(timeout=PATIENCE_SECONDS) == digest(text)


def test_what_is_not_acknowledged_keeps_its_object(project: Project, bucket: Bucket) -> None:
    """A worker that is killed in the middle of a large task: the next one has all of it."""
    project.configure(task_acks_late=True, broker_transport_options={"visibility_timeout": 5})
    client = project.client()
    text = noise(MIB)
    result = client.send_task("proj.stuck_once", (text,))
    with project.worker(pool="prefork", concurrency=1, name="one") as worker:
        worker.wait_for_log(r"proj\.stuck_once: stuck")
        worker.kill()
    assert len(bucket.sizes()) == 1

    with project.worker(pool="prefork", concurrency=1, name="two") as worker:
        assert result.get(timeout=PATIENCE_SECONDS) == digest(text)
        assert worker.stop() == 0
    assert bucket.sizes() == []


def options(project: Project) -> dict[str, Any]:
    found: dict[str, Any] = project.config["broker_transport_options"]
    return found


def test_a_worker_without_the_bucket_leaves_large_messages_to_others(
    project: Project, bucket: Bucket
) -> None:
    # The last poll of the first worker may be handed the message when nobody listens any more.
    project.configure(broker_transport_options={"visibility_timeout": 5})
    client = project.client()
    text = noise(MIB)
    result = client.send_task("proj.digest", (text,))
    without = {key: value for key, value in options(project).items() if "large" not in key}
    with project.worker(
        pool="solo", name="without", config={"broker_transport_options": without}
    ) as worker:
        worker.wait_for_log("is not read: large_message_bucket is not set here")
        small = client.send_task("proj.add", (1, 1))
        assert small.get(timeout=PATIENCE_SECONDS) == 2
        assert worker.stop() == 0
    with project.worker(pool="solo", name="with"):
        assert result.get(timeout=PATIENCE_SECONDS) == digest(text)
