import json
from typing import Any

import pytest

from celery_aws.broker.large_messages import LargeMessages, Loaded, large_messages
from celery_aws.broker.message import Receipt
from celery_aws.config.broker import parse_broker_options
from celery_aws.core.large_messages import dump_pointer, load_pointer
from celery_aws.core.messages import OutgoingMessage, ReceivedMessage, S3Pointer
from celery_aws.errors import (
    AccessDeniedError,
    AwsError,
    InvalidRequestError,
    MessageTooLargeError,
    ObjectNotFoundError,
    QueueNotFoundError,
    ThrottledError,
    UnreachableError,
)
from celery_aws.names import AmqpQueue, BucketName, ObjectKey, QueueName
from celery_aws.testing.memory_s3 import MemoryS3
from tests.unit.broker.conftest import BUCKET, NAME, QUEUE, Bench

MIB = 1_048_576
FIFO = AmqpQueue("orders.fifo")
BIG = "x" * (MIB + 1)


def made(bench: Bench, **options: Any) -> LargeMessages:
    given = parse_broker_options({"large_message_bucket": BUCKET, **options})
    return LargeMessages(given, bench.s3, bench.clock)


def send(
    bench: Bench, large: LargeMessages, body: str, queue: AmqpQueue = QUEUE, **facts: Any
) -> None:
    large.send(bench.address(queue), OutgoingMessage(body=body, **facts), queue=QueueName(queue))


def receive(bench: Bench, queue: AmqpQueue = QUEUE) -> list[ReceivedMessage]:
    address = bench.address(queue)
    return address.service.receive(
        address.url, max_messages=10, wait_seconds=0, visibility_timeout_seconds=30
    )


def load(bench: Bench, large: LargeMessages, queue: AmqpQueue = QUEUE) -> Loaded:
    return large.load(bench.address(queue), receive(bench, queue))


class TestSending:
    def test_up_to_the_limit_it_goes_through_sqs_alone(self, bench: Bench) -> None:
        body = "x" * MIB
        send(bench, made(bench), body)

        assert bench.bodies() == [body]
        assert not bench.s3.requests

    def test_above_it_goes_through_s3(self, bench: Bench) -> None:
        attributes = {"tenant": {"DataType": "String", "StringValue": "7"}}
        bench.address()
        asked = bench.sqs.count("GetQueueAttributes")
        send(bench, made(bench, large_message_prefix="p/"), BIG, message_attributes=attributes)

        (stored,) = bench.sqs.messages(NAME)
        ((key, content),) = bench.s3.objects(BUCKET).items()
        assert content == BIG.encode()
        assert key.startswith("p/")
        assert load_pointer(stored.body) == S3Pointer(bucket=BUCKET, key=key)
        assert set(stored.attributes) == {"tenant", "ExtendedPayloadSize"}
        assert bench.sqs.count("GetQueueAttributes") == asked

    def test_without_a_bucket_it_is_refused_before_anything_is_sent(self, bench: Bench) -> None:
        for options in ({}, {"large_message_threshold_bytes": 10}):
            with pytest.raises(MessageTooLargeError, match="large_message_bucket") as caught:
                send(bench, made(bench, large_message_bucket=None, **options), BIG)

            assert caught.value.queue == "celery"
            assert (caught.value.size_bytes, caught.value.limit_bytes) == (MIB + 1, MIB)
        assert bench.sqs.count("SendMessage") == 0

    def test_message_attributes_count(self, bench: Bench) -> None:
        attributes = {"a": {"DataType": "String", "StringValue": "x"}}
        with pytest.raises(MessageTooLargeError):
            send(
                bench,
                made(bench, large_message_bucket=None),
                "x" * (MIB - 7),
                message_attributes=attributes,
            )
        assert bench.sqs.count("SendMessage") == 0

    def test_attributes_that_are_too_large_themselves_are_refused(self, bench: Bench) -> None:
        attributes = {"a": {"DataType": "String", "StringValue": "x" * MIB}}
        with pytest.raises(MessageTooLargeError, match="do not go through S3"):
            send(bench, made(bench), BIG, message_attributes=attributes)
        assert not bench.s3.requests

    def test_a_smaller_limit_of_the_queue_is_respected(self, bench: Bench) -> None:
        bench.sqs.create_queue(NAME, {"MaximumMessageSize": "262144"}, {})
        send(bench, made(bench), "x" * 262_145)

        assert len(bench.s3.objects(BUCKET)) == 1
        assert bench.sqs.count("SendMessage") == 1

    def test_a_limit_that_nobody_expects_is_learnt_from_sqs(self, bench: Bench) -> None:
        bench.sqs.create_queue(NAME, {"MaximumMessageSize": "2048"}, {})
        large = made(bench)
        for _ in range(3):
            send(bench, large, "x" * 3_000)

        assert len(bench.s3.objects(BUCKET)) == 3
        assert bench.sqs.count("SendMessage") == 4
        assert bench.sqs.count("GetQueueAttributes") == 0

    def test_without_a_bucket_sqss_refusal_says_the_same(self, bench: Bench) -> None:
        bench.sqs.create_queue(NAME, {"MaximumMessageSize": "2048"}, {})
        with pytest.raises(MessageTooLargeError, match="has 3000 bytes, SQS takes 2048"):
            send(bench, made(bench, large_message_bucket=None), "x" * 3_000)

    def test_another_refusal_stays_what_it_is(self, bench: Bench) -> None:
        with pytest.raises(InvalidRequestError, match="Invalid characters"):
            send(bench, made(bench), "\x00")
        assert not bench.s3.requests

    def test_a_threshold_may_be_lower_than_the_limit(self, bench: Bench) -> None:
        large = made(bench, large_message_threshold_bytes=1_000)
        send(bench, large, "x" * 1_000)
        send(bench, large, "x" * 1_001)

        assert [len(content) for content in bench.s3.objects(BUCKET).values()] == [1_001]

    def test_a_threshold_means_nothing_without_a_bucket(self, bench: Bench) -> None:
        options = {"large_message_bucket": None, "large_message_threshold_bytes": 10}
        send(bench, made(bench, **options), "x" * 11)

        assert bench.bodies() == ["x" * 11]

    @pytest.mark.parametrize("error", [AccessDeniedError("no"), QueueNotFoundError("gone")])
    def test_a_send_that_is_refused_leaves_no_object(self, bench: Bench, error: AwsError) -> None:
        bench.sqs.faults.fail("SendMessage", error)
        with pytest.raises(type(error)):
            send(bench, made(bench), BIG)

        assert bench.s3.objects(BUCKET) == {}

    @pytest.mark.parametrize("error", [UnreachableError("no answer"), ThrottledError("slow")])
    def test_a_send_without_an_answer_leaves_the_object_to_the_message(
        self, bench: Bench, error: AwsError, caplog: pytest.LogCaptureFixture
    ) -> None:
        bench.sqs.faults.lose_reply("SendMessage", error)
        with pytest.raises(type(error)):
            send(bench, made(bench), BIG)

        (message,) = load(bench, made(bench)).ready
        assert message.envelope == BIG
        assert "may be left to the bucket's lifecycle rule" in caplog.text

    def test_nothing_is_sent_if_the_object_cannot_be_put(self, bench: Bench) -> None:
        bench.s3.faults.fail("PutObject", UnreachableError("no route"))
        with pytest.raises(UnreachableError):
            send(bench, made(bench), BIG)

        assert bench.sqs.count("SendMessage") == 0


class TestLoading:
    def test_messages_come_in_order_and_the_large_ones_whole(self, bench: Bench) -> None:
        large = made(bench)
        for body in ("1", BIG, "3"):
            send(bench, large, body)

        loaded = load(bench, large)

        assert [message.envelope for message in loaded.ready] == ["1", BIG, "3"]
        assert loaded.postponed == []
        assert [message.pointer is not None for message in loaded.ready] == [False, True, False]
        assert load_pointer(loaded.ready[1].body) == loaded.ready[1].pointer

    def test_a_missing_object_makes_a_message_that_cannot_be_decoded(self, bench: Bench) -> None:
        large = made(bench)
        send(bench, large, BIG)
        bench.s3.delete_batch(BUCKET, list(bench.s3.objects(BUCKET)))

        (message,) = load(bench, large).ready

        assert isinstance(message.error, ObjectNotFoundError)
        assert message.envelope == message.body

    def test_so_does_one_that_is_no_text(self, bench: Bench) -> None:
        large = made(bench)
        send(bench, large, BIG)
        (key,) = bench.s3.objects(BUCKET)
        bench.s3.put(BUCKET, key, b"\xff")

        (message,) = load(bench, large).ready

        assert isinstance(message.error, UnicodeDecodeError)

    def test_while_s3_does_not_answer_messages_wait(
        self, bench: Bench, caplog: pytest.LogCaptureFixture
    ) -> None:
        large = made(bench)
        for body in ("1", BIG, "3", BIG):
            send(bench, large, body)
        bench.s3.faults.fail("GetObject", UnreachableError("no route"))

        loaded = load(bench, large)

        assert [message.envelope for message in loaded.ready] == ["1", "3"]
        assert [seconds for _, seconds in loaded.postponed] == [5, 5]
        assert bench.s3.requests["GetObject"] == 1, "the second is not tried"
        bench.clock.advance(30)
        assert len(load(bench, large).ready) == 4
        assert "is given back for 5 s" in caplog.text
        assert "no route" in caplog.text

    def test_a_missing_right_holds_up_no_other_message(self, bench: Bench) -> None:
        large = made(bench)
        for _ in range(2):
            send(bench, large, BIG)
        bench.s3.faults.fail("GetObject", AccessDeniedError("no"))

        loaded = load(bench, large)

        assert (len(loaded.ready), len(loaded.postponed)) == (1, 1)

    def test_the_pause_grows(self, bench: Bench) -> None:
        large = made(bench)
        send(bench, large, BIG)
        bench.s3.faults.fail("GetObject", UnreachableError("no route"), times=3)
        pauses = []
        for _ in range(3):
            pauses += [seconds for _, seconds in load(bench, large).postponed]
            bench.clock.advance(30)

        assert pauses == [5, 10, 20]

    def test_a_pointer_out_of_the_bucket_is_not_followed(
        self, bench: Bench, caplog: pytest.LogCaptureFixture
    ) -> None:
        elsewhere = S3Pointer(bucket=BucketName("secrets"), key=ObjectKey("k"))
        bench.send(dump_pointer(elsewhere))

        loaded = load(bench, made(bench))

        assert (loaded.ready, len(loaded.postponed)) == ([], 1)
        assert "s3://secrets/k is not read" in caplog.text
        assert not bench.s3.requests

    def test_what_is_no_pointer_is_left_alone(self, bench: Bench) -> None:
        bodies = ["[1, 2]", json.dumps(["a", {"s3BucketName": "b"}]), "text"]
        bench.send(*bodies)

        assert [message.envelope for message in load(bench, made(bench)).ready] == bodies

    def test_a_fifo_group_keeps_its_order_when_one_waits(self, bench: Bench) -> None:
        large = made(bench)
        for number, (group, body) in enumerate(
            [("a", "a1"), ("a", BIG), ("b", "b1"), ("a", "a3"), ("b", "b2")]
        ):
            send(
                bench,
                large,
                body,
                FIFO,
                message_group_id=group,
                message_deduplication_id=str(number),
            )
        bench.s3.faults.fail("GetObject", UnreachableError("no route"))

        loaded = load(bench, large, FIFO)

        assert [message.envelope for message in loaded.ready] == ["a1", "b1", "b2"]
        assert [message.message_group_id for message, _ in loaded.postponed] == ["a", "a"]

    def test_a_group_of_a_standard_queue_has_no_order(self, bench: Bench) -> None:
        large = made(bench)
        for body in (BIG, "2"):
            send(bench, large, body, message_group_id="tenant")
        bench.s3.faults.fail("GetObject", UnreachableError("no route"))

        assert [message.envelope for message in load(bench, large).ready] == ["2"]


def test_the_objects_of_deleted_messages_go_in_one_request(bench: Bench) -> None:
    large = made(bench)
    for body in (BIG, "2", BIG):
        send(bench, large, body)
    loaded = load(bench, large)

    large.remove([Receipt.of(each, queue=QUEUE, address=bench.address()) for each in loaded.ready])

    assert bench.s3.objects(BUCKET) == {}
    assert bench.s3.requests["DeleteObjects"] == 1


def test_nothing_is_asked_if_no_message_had_an_object(bench: Bench) -> None:
    bench.large_messages.remove(bench.receive(2))

    assert not bench.s3.requests


def test_connections_of_a_process_share_what_they_know(bench: Bench) -> None:
    access = bench.directory._access
    s3 = MemoryS3()

    def services(_: Any) -> MemoryS3:
        return s3

    first = large_messages(bench.directory, access, services, bench.clock)

    assert large_messages(bench.directory, access, services, bench.clock) is first
    other = large_messages(bench.new_directory(), access, services, bench.clock)
    assert other is not first


def test_s3_is_asked_where_the_options_say(bench: Bench) -> None:
    asked = []

    def services(access: Any) -> MemoryS3:
        asked.append(access.endpoint_url)
        return MemoryS3()

    directory = bench.new_directory(large_message_endpoint_url="http://minio:9000")
    large_messages(directory, directory._access, services, bench.clock)

    assert asked == ["http://minio:9000"]
