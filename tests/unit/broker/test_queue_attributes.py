import gc
import json
import logging
import threading
import weakref
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from celery_aws.broker.dead_letters import DeadLetters, Rejected
from celery_aws.broker.directory import QueueAddress
from celery_aws.broker.errands import Disposal
from celery_aws.broker.queue_attributes import FACTS_SECONDS, QueueAttributes, queue_attributes
from celery_aws.broker.size_limits import SizeLimits
from celery_aws.core.messages import ReceivedMessage
from celery_aws.core.queue_facts import QueueFacts
from celery_aws.errors import (
    AccessDeniedError,
    AwsError,
    CredentialsError,
    InvalidRequestError,
    QueueNotFoundError,
    ThrottledError,
    UnreachableError,
)
from celery_aws.names import AmqpQueue, QueueName, QueueUrl
from celery_aws.testing.clock import FakeClock
from celery_aws.testing.memory_sqs import MemorySqs
from tests.unit.broker.conftest import PATIENCE_SECONDS, Bench

ASK = "GetQueueAttributes"
SHORT = 600
MISSING = QueueUrl("http://localhost/000000000000/there-is-no-such-queue")


@pytest.fixture
def attributes(clock: FakeClock) -> QueueAttributes:
    return QueueAttributes(clock)


@pytest.fixture
def address(bench: Bench) -> QueueAddress:
    """A queue that keeps messages for ten minutes."""
    return queue_of(bench.sqs, MessageRetentionPeriod=str(SHORT))


def queue_of(sqs: MemorySqs, name: str = "short", **given: str) -> QueueAddress:
    return QueueAddress(url=sqs.create_queue(QueueName(name), given, {}), service=sqs)


class TestFacts:
    def test_everything_is_asked_for_at_once(
        self, bench: Bench, attributes: QueueAttributes
    ) -> None:
        target = bench.sqs.create_queue(QueueName("dead"), {}, {})
        arn = bench.sqs.queue_attributes(target, ["QueueArn"])["QueueArn"]
        policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 3})
        given = {"RedrivePolicy": policy, "MaximumMessageSize": "2048", "DelaySeconds": "7"}
        address, asked = queue_of(bench.sqs, **given), bench.sqs.count(ASK)

        facts = attributes.facts(address)

        assert facts.redrive_policy is not None
        assert facts.redrive_policy.target == arn
        assert (facts.max_message_bytes, facts.delay_seconds) == (2_048, 7)
        assert bench.sqs.count(ASK) == asked + 1

    def test_an_answer_is_believed_for_five_minutes(
        self, bench: Bench, attributes: QueueAttributes, address: QueueAddress
    ) -> None:
        for _ in range(2):
            assert attributes.facts(address).retention_seconds == SHORT
        assert bench.sqs.count(ASK) == 1

        bench.clock.advance(FACTS_SECONDS)
        assert attributes.known(address) is None
        assert attributes.facts(address).retention_seconds == SHORT
        assert bench.sqs.count(ASK) == 2

    def test_each_queue_has_its_own(
        self, bench: Bench, attributes: QueueAttributes, address: QueueAddress
    ) -> None:
        other = queue_of(bench.sqs, "other", MessageRetentionPeriod="60")

        assert attributes.facts(address).retention_seconds == SHORT
        assert attributes.facts(other).retention_seconds == 60

    def test_what_is_known_is_told_without_asking(
        self, bench: Bench, attributes: QueueAttributes, address: QueueAddress
    ) -> None:
        assert attributes.known(address) is None
        assert bench.sqs.count(ASK) == 0

        facts = attributes.facts(address)
        assert attributes.known(address) is facts
        assert bench.sqs.count(ASK) == 1


class TestRefusals:
    def test_a_missing_right_is_remembered_and_logged_once(
        self,
        bench: Bench,
        attributes: QueueAttributes,
        address: QueueAddress,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        caplog.set_level(logging.INFO)
        error = AccessDeniedError("not for you")
        bench.sqs.faults.fail(ASK, error, times=2)

        for _ in range(2):
            assert attributes.facts(address) == QueueFacts(refusal=str(error))
        assert bench.sqs.count(ASK) == 1
        bench.clock.advance(FACTS_SECONDS)
        attributes.facts(address)
        assert bench.sqs.count(ASK) == 2

        (record,) = caplog.records
        assert "grant sqs:GetQueueAttributes" in record.message
        assert address.url in record.message

    def test_once_it_is_granted_the_queue_is_known(
        self, bench: Bench, attributes: QueueAttributes, address: QueueAddress
    ) -> None:
        bench.sqs.faults.fail(ASK, AccessDeniedError("not for you"))
        attributes.facts(address)
        bench.clock.advance(FACTS_SECONDS)

        assert attributes.facts(address) == QueueFacts(retention_seconds=SHORT)

    def test_the_right_of_another_access_is_another_matter(
        self, bench: Bench, attributes: QueueAttributes, address: QueueAddress
    ) -> None:
        class Denied(MemorySqs):
            def queue_attributes(self, *_: object) -> dict[str, str]:
                raise AccessDeniedError("not for you")

        stranger = QueueAddress(url=address.url, service=Denied())

        assert attributes.facts(stranger).refusal is not None
        assert attributes.facts(address).refusal is None

    def test_an_endpoint_may_not_know_the_question(
        self,
        bench: Bench,
        attributes: QueueAttributes,
        address: QueueAddress,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        caplog.set_level(logging.INFO)
        bench.sqs.faults.fail(ASK, InvalidRequestError("unknown attribute"))

        for _ in range(2):
            assert attributes.facts(address) == QueueFacts(refusal="unknown attribute")
        assert bench.sqs.count(ASK) == 1
        (record,) = caplog.records
        assert "unknown attribute" in record.message
        assert "grant" not in record.message

    @pytest.mark.parametrize(
        "error",
        [
            ThrottledError("slow down"),
            UnreachableError("no route"),
            QueueNotFoundError("gone"),
            CredentialsError("who are you?"),
        ],
    )
    def test_other_failures_are_the_askers_business_and_not_remembered(
        self,
        bench: Bench,
        attributes: QueueAttributes,
        address: QueueAddress,
        error: AwsError,
    ) -> None:
        bench.sqs.faults.fail(ASK, error)

        with pytest.raises(type(error)):
            attributes.facts(address)

        assert attributes.known(address) is None
        assert attributes.facts(address).retention_seconds == SHORT


class TestDelays:
    @pytest.mark.parametrize("wanted_seconds", [-5, 0, 2.5, 30])
    def test_a_short_one_costs_nothing(
        self, bench: Bench, attributes: QueueAttributes, wanted_seconds: float
    ) -> None:
        missing = QueueAddress(url=MISSING, service=bench.sqs)

        assert attributes.max_delay_seconds(missing, wanted_seconds) >= wanted_seconds
        assert bench.sqs.count(ASK) == 0

    @pytest.mark.parametrize("wanted_seconds", [30.5, 31, 300, 900, 86_400])
    def test_a_longer_one_is_half_of_the_retention_at_most(
        self,
        bench: Bench,
        attributes: QueueAttributes,
        address: QueueAddress,
        wanted_seconds: float,
    ) -> None:
        for _ in range(2):
            assert attributes.max_delay_seconds(address, wanted_seconds) == SHORT // 2
        assert bench.sqs.count(ASK) == 1

    def test_an_ordinary_queue_delays_as_long_as_sqs_does(
        self, bench: Bench, attributes: QueueAttributes
    ) -> None:
        assert attributes.max_delay_seconds(bench.address(), 86_400) == 900

    def test_so_does_one_that_may_not_be_asked(
        self, bench: Bench, attributes: QueueAttributes, address: QueueAddress
    ) -> None:
        bench.sqs.faults.fail(ASK, AccessDeniedError("not for you"))

        assert attributes.max_delay_seconds(address, 31) == 900

    def test_no_answer_is_no_permission(
        self, bench: Bench, attributes: QueueAttributes, address: QueueAddress
    ) -> None:
        bench.sqs.faults.fail(ASK, ThrottledError("slow down"))

        with pytest.raises(ThrottledError):
            attributes.max_delay_seconds(address, 31)


class TestSharing:
    def test_a_process_has_one_for_a_clock(self, clock: FakeClock) -> None:
        assert queue_attributes(clock) is queue_attributes(clock)
        assert queue_attributes(clock) is not queue_attributes(FakeClock())

    def test_limits_delays_and_dead_letters_ask_once(self, bench: Bench) -> None:
        (receipt,) = bench.receive(1)
        address = bench.address()
        message = ReceivedMessage(
            message_id="1", body="0", receipt_handle=receipt.handle, receive_count=1
        )
        asked = bench.sqs.count(ASK)

        SizeLimits(bench.clock).limit_bytes(address, 300_000)
        queue_attributes(bench.clock).max_delay_seconds(address, 60)
        disposal = DeadLetters(bench.clock).dispose(receipt, Rejected(message=message, move=True))

        assert disposal is Disposal.MOVED
        assert bench.sqs.count(ASK) == asked + 1

    def test_nobody_waits_for_the_request_of_another(self, attributes: QueueAttributes) -> None:
        both_ask = threading.Barrier(2)

        class Slow(MemorySqs):
            def queue_attributes(self, url: QueueUrl, names: Sequence[str]) -> dict[str, str]:
                both_ask.wait(PATIENCE_SECONDS)
                return super().queue_attributes(url, names)

        sqs = Slow()
        address = queue_of(sqs)

        with ThreadPoolExecutor(2) as threads:
            first, second = threads.map(attributes.facts, [address, address])

        assert first == second == QueueFacts()
        assert sqs.count(ASK) == 2

    def test_a_service_is_not_kept_for_longer_than_its_answer(
        self, bench: Bench, attributes: QueueAttributes
    ) -> None:
        short_lived = MemorySqs()
        attributes.facts(queue_of(short_lived))
        gone = weakref.ref(short_lived)
        del short_lived
        bench.clock.advance(FACTS_SECONDS)

        attributes.facts(bench.address(AmqpQueue("other")))

        gc.collect()
        assert gone() is None
