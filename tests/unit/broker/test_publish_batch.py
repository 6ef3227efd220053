import threading
from collections import Counter
from collections.abc import Callable, Sequence

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from celery_aws.aws.sqs import SendFailure
from celery_aws.broker import publish_batch
from celery_aws.broker.outlets import Outlet
from celery_aws.broker.publish_batch import PublishBatch
from celery_aws.broker.senders import Senders
from celery_aws.core.large_messages import load_pointer
from celery_aws.core.messages import OutgoingMessage
from celery_aws.core.parked_messages import maybe_sent_before
from celery_aws.core.publish_retries import NO_RETRIES, PublishRetries
from celery_aws.core.retry_policy import RetryPolicy
from celery_aws.errors import (
    AccessDeniedError,
    BatchPublishError,
    InvalidRequestError,
    QueueNotFoundError,
    ServiceFaultError,
    ThrottledError,
    UnreachableError,
)
from celery_aws.names import AmqpQueue, QueueName, QueueUrl
from celery_aws.testing.clock import FakeClock
from celery_aws.testing.memory_sqs import MemorySqs
from tests.unit.broker.conftest import PATIENCE_SECONDS, QUEUE, Bench

FIFO = AmqpQueue("orders.fifo")
RETRIES = PublishRetries(policy=RetryPolicy(max_retries=3, start_seconds=0.0))

#: No thread helps: what happens, happens in the test.
ALONE = Senders(most=0)


def throttled() -> ThrottledError:
    return ThrottledError("slower", service="sqs", operation="SendMessageBatch")


class Scene:
    """A batch on SQS in memory, and what it is asked to send."""

    def __init__(
        self, bench: Bench, senders: Senders = ALONE, retries: PublishRetries = RETRIES
    ) -> None:
        self.bench = bench
        self.sqs = bench.sqs
        self.batch = PublishBatch(retries, bench.clock, senders=senders, jitter=lambda: 0.5)
        self.published: list[str] = []

    def outlet(self, queue: AmqpQueue = QUEUE) -> Outlet:
        return Outlet(
            queue=queue,
            name=QueueName(queue),
            directory=self.bench.directory,
            large_messages=self.bench.large_messages,
        )

    def publish(self, *ids: str, queue: AmqpQueue = QUEUE, body: str = "") -> None:
        for task_id in ids:
            self.published.append(task_id)
            fifo = queue == FIFO
            message = OutgoingMessage(
                body=body or task_id,
                message_group_id=task_id[0] if fifo else None,
                message_deduplication_id=task_id if fifo else None,
            )
            self.batch.add(self.outlet(queue), task_id, message)

    def failure(self) -> BatchPublishError:
        with pytest.raises(BatchPublishError) as raised:
            self.batch.flush()
        return raised.value

    def sizes(self) -> list[int]:
        return [call.entries for call in self.sqs.calls if call.operation == "SendMessageBatch"]

    def kept(self, queue: AmqpQueue = QUEUE) -> list[str]:
        return self.bench.bodies(QueueName(queue))


@pytest.fixture
def scene(bench: Bench) -> Scene:
    bench.address(QUEUE), bench.address(FIFO)
    return Scene(bench)


IDS = [f"a{number}" for number in range(25)]


def test_ten_tasks_are_a_request_and_the_end_sends_the_rest(scene: Scene) -> None:
    scene.publish(*IDS)
    scene.batch.flush()
    assert scene.sizes() == [10, 10, 5]
    assert scene.kept() == IDS
    assert scene.batch.pending == 0


def test_threads_send_while_the_block_collects(bench: Bench) -> None:
    bench.address()
    scene = Scene(bench, Senders())
    scene.publish(*IDS)
    assert scene.sqs.wait_until(lambda: scene.sqs.count("SendMessageBatch") == 2)
    scene.batch.flush()
    assert sorted(scene.kept()) == sorted(IDS)


def test_who_publishes_too_fast_sends_by_itself(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish_batch, "MOST_PENDING", 20)
    scene.publish(*IDS)
    assert scene.batch.pending < 20
    assert scene.sizes() == [10]
    scene.batch.flush()
    assert scene.kept() == IDS


def test_many_queues_without_a_full_request_do_not_fill_the_memory(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish_batch, "MOST_PENDING", 5)
    for number in range(12):
        scene.publish(f"a{number}", queue=AmqpQueue(f"queue-{number}"))
    assert scene.batch.pending < 5


def test_bytes_count_too(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish_batch, "MOST_PENDING_BYTES", 300)
    scene.publish("a", "b", body="x" * 200)
    assert scene.batch.pending <= 1


def test_a_refused_entry_is_tried_by_itself_and_takes_no_other_with_it(scene: Scene) -> None:
    scene.publish("a", "b\x00", "c")
    error = scene.failure()
    assert (error.sent, error.not_sent, error.unknown) == (["a", "c"], ["b\x00"], [])
    assert scene.kept() == ["a", "c"]
    assert scene.sqs.count("SendMessage") == 1


def test_a_request_that_is_refused_as_a_whole_is_sent_one_by_one(scene: Scene) -> None:
    scene.publish("a", "b")
    scene.sqs.faults.fail(
        "SendMessageBatch",
        InvalidRequestError("too long", operation="SendMessageBatch"),
    )
    scene.batch.flush()
    assert scene.sqs.count("SendMessage") == 2
    assert scene.kept() == ["a", "b"]


def test_an_entry_that_the_queue_finds_too_large_goes_through_s3(
    clock: FakeClock, sqs: MemorySqs
) -> None:
    bench = Bench(clock, sqs, large_message_bucket="payloads")
    sqs.create_queue(QueueName("celery"), {"MaximumMessageSize": "2048"}, {})
    scene = Scene(bench)
    scene.publish("a")
    scene.publish("large", body="x" * 3_000)
    scene.batch.flush()
    small, pointer = scene.kept()
    assert small == "a"
    assert load_pointer(pointer) is not None
    bench.close()


def test_what_fails_for_a_moment_is_sent_again(scene: Scene) -> None:
    scene.sqs.faults.refuse_entries("SendMessageBatch", entries=2, times=2)
    scene.sqs.faults.fail("SendMessageBatch", throttled())
    scene.publish("a", "b", "c")
    scene.batch.flush()
    assert sorted(scene.kept()) == ["a", "b", "c"]
    assert scene.bench.clock.sleeps == [0.25, 0.5]


def test_an_outage_ends_the_batch_after_celerys_policy(scene: Scene) -> None:
    scene.publish(*IDS)
    scene.sqs.faults.fail("SendMessageBatch", throttled(), times=99)
    error = scene.failure()
    assert error.not_sent == IDS
    assert isinstance(error.errors["a24"], ThrottledError)
    assert isinstance(error.__cause__, ThrottledError)
    assert scene.sqs.count("SendMessageBatch") == 12


def test_a_lost_answer_is_asked_again_and_the_copy_says_so(scene: Scene) -> None:
    scene.sqs.faults.lose_reply("SendMessageBatch")
    scene.publish("a")
    scene.batch.flush()
    first, second = scene.sqs.messages(QueueName("celery"))
    assert not maybe_sent_before(first.attributes)
    assert maybe_sent_before(second.attributes)


def test_a_fifo_queue_knows_the_copy(scene: Scene) -> None:
    scene.sqs.faults.lose_reply("SendMessageBatch")
    scene.publish("a1", queue=FIFO)
    scene.batch.flush()
    assert scene.kept(FIFO) == ["a1"]


def test_after_lost_answers_alone_nobody_knows(bench: Bench) -> None:
    bench.address()
    scene = Scene(bench, retries=NO_RETRIES)
    scene.sqs.faults.lose_reply("SendMessageBatch", times=3)
    scene.publish(*IDS)
    error = scene.failure()
    assert error.unknown == IDS[:10]
    assert error.not_sent == IDS[10:]


def test_a_queue_that_is_gone_is_made_again(scene: Scene) -> None:
    scene.publish("a")
    scene.sqs.delete_queue(scene.bench.address().url)
    scene.bench.clock.advance(61)
    scene.batch.flush()
    assert scene.kept() == ["a"]


def test_a_queue_that_nobody_may_make_ends_its_own_messages(
    clock: FakeClock, sqs: MemorySqs
) -> None:
    bench = Bench(clock, sqs, create_missing_queues=False)
    for name in ("celery", "mail"):
        sqs.create_queue(QueueName(name), {}, {})
    scene = Scene(bench)
    scene.publish("a", "b")
    scene.publish("c", queue=AmqpQueue("mail"))
    sqs.delete_queue(bench.address().url)
    error = scene.failure()
    assert (error.sent, error.not_sent) == (["c"], ["a", "b"])
    assert clock.sleeps == [0.5, 1.0, 2.0]
    bench.close()


def test_what_is_denied_is_not_asked_again(scene: Scene) -> None:
    denied = AccessDeniedError("no", service="sqs", operation="SendMessageBatch")
    scene.sqs.faults.fail("SendMessageBatch", denied)
    scene.publish(*IDS)
    assert scene.failure().not_sent == IDS
    assert scene.sizes() == [10]


def test_a_failure_is_told_once_and_the_next_batch_begins_anew(scene: Scene) -> None:
    scene.sqs.faults.fail("SendMessageBatch", throttled(), times=12)
    scene.publish("a")
    assert scene.failure().not_sent == ["a"]
    scene.publish("b")
    scene.batch.flush()
    assert scene.kept() == ["b"]


def test_the_order_of_a_fifo_group_survives_failures(scene: Scene) -> None:
    scene.sqs.faults.refuse_entries("SendMessageBatch", entries=1, times=2)
    scene.sqs.faults.fail("SendMessageBatch", throttled())
    scene.publish("a1", "b1", "a2", "a3", "b2", queue=FIFO)
    scene.batch.flush()
    kept = scene.kept(FIFO)
    assert [each for each in kept if each[0] == "a"] == ["a1", "a2", "a3"]
    assert [each for each in kept if each[0] == "b"] == ["b1", "b2"]


class Interrupted(BaseException):
    """What a signal handler raises."""


def test_an_interrupted_wait_still_sends(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.address()
    scene = Scene(bench, Senders())
    waiting, sleep = threading.current_thread(), bench.clock.sleep

    def interrupt(seconds: float) -> None:
        if threading.current_thread() is waiting:
            raise Interrupted
        sleep(seconds)

    monkeypatch.setattr(bench.clock, "sleep", interrupt)
    scene.sqs.faults.fail("SendMessageBatch", throttled())
    scene.publish("a", "b")
    with pytest.raises(Interrupted):
        scene.batch.flush()
    assert scene.sqs.wait_until(lambda: scene.kept() == ["a", "b"])


@pytest.mark.parametrize("raised", [Interrupted, SoftTimeLimitExceeded])
def test_what_is_interrupted_on_its_way_may_have_gone(
    scene: Scene, raised: type[BaseException]
) -> None:
    scene.publish("a")
    scene.sqs.faults.fail("SendMessageBatch", raised())  # type: ignore[arg-type]
    with pytest.raises(raised):
        scene.batch.flush()
    assert scene.failure().unknown == ["a"]


def test_a_publish_that_is_interrupted_says_so(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish_batch, "MOST_PENDING", 10)
    scene.sqs.faults.fail("SendMessageBatch", SoftTimeLimitExceeded())
    with pytest.raises(SoftTimeLimitExceeded):
        scene.publish(*IDS)
    scene.publish("b")
    assert scene.failure().unknown == IDS[:10]
    assert scene.kept() == ["b"]


FAULTS: dict[str, Callable[[MemorySqs], None]] = {
    "lost": lambda sqs: sqs.faults.lose_reply("SendMessageBatch"),
    "lost alone": lambda sqs: sqs.faults.lose_reply("SendMessage"),
    "throttled": lambda sqs: sqs.faults.fail("SendMessageBatch", throttled()),
    "unreachable": lambda sqs: sqs.faults.fail(
        "SendMessageBatch",
        UnreachableError("", code="EndpointConnectionError", operation="SendMessageBatch"),
    ),
    "broken": lambda sqs: sqs.faults.fail(
        "SendMessageBatch", ServiceFaultError("", operation="SendMessageBatch")
    ),
    "some fail": lambda sqs: sqs.faults.refuse_entries("SendMessageBatch", entries=3),
    "some are wrong": lambda sqs: sqs.faults.refuse_entries(
        "SendMessageBatch", entries=2, code="InvalidMessageContents", sender_fault=True
    ),
    "refused": lambda sqs: sqs.faults.fail(
        "SendMessageBatch", InvalidRequestError("", operation="SendMessageBatch")
    ),
    "denied": lambda sqs: sqs.faults.fail(
        "SendMessageBatch", AccessDeniedError("", operation="SendMessageBatch")
    ),
}


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(
    faults=st.lists(st.sampled_from(sorted(FAULTS)), max_size=14),
    ids=st.lists(st.sampled_from("abc"), min_size=1, max_size=35),
    fifo=st.booleans(),
    threads=st.sampled_from([0, 2]),
    tries=st.sampled_from([0, 3]),
)
def test_nothing_is_lost_in_silence(
    faults: list[str], ids: list[str], fifo: bool, threads: int, tries: int
) -> None:
    clock = FakeClock()
    sqs = MemorySqs(clock)
    bench = Bench(clock, sqs)
    queue = FIFO if fifo else QUEUE
    bench.address(queue)
    retries = PublishRetries(policy=RetryPolicy(max_retries=tries))
    scene = Scene(bench, Senders(most=threads, idle_seconds=0.01), retries)
    for fault in faults:
        FAULTS[fault](sqs)

    scene.publish(*[f"{each}{number}" for number, each in enumerate(ids)], queue=queue)
    sent, not_sent, unknown = scene.published, list[str](), list[str]()
    try:
        scene.batch.flush()
    except BatchPublishError as error:
        sent, not_sent, unknown = error.sent, error.not_sent, error.unknown

    kept = scene.kept(queue)
    bench.close()
    assert Counter([*sent, *not_sent, *unknown]) == Counter(scene.published)
    assert set(sent) <= set(kept)
    assert not set(not_sent) & set(kept)
    assert set(kept) <= set(scene.published)
    if fifo:
        for group in "abc":
            of_group = [each for each in kept if each[0] == group]
            assert of_group == sorted(of_group, key=scene.published.index)


def test_threads_may_share_a_batch(bench: Bench) -> None:
    bench.address()
    scene = Scene(bench, Senders())

    def publish(name: str) -> None:
        for number in range(200):
            scene.batch.add(scene.outlet(), f"{name}{number}", OutgoingMessage(body=name))

    threads = [threading.Thread(target=publish, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    scene.batch.flush()
    assert Counter(scene.kept()) == dict.fromkeys("abcd", 200)
    assert max(scene.sizes()) == 10
    assert len(scene.sizes()) <= 80 + 4


def test_requests_that_do_not_find_a_new_queue_at_once_count_as_one(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three pauses are meant to last until it is there, not for three of eight requests."""
    bench.address()
    scene = Scene(bench)
    scene.batch = PublishBatch(RETRIES, bench.clock, senders=Senders(), holds=True)
    together = threading.Barrier(5)
    send_batch = bench.sqs.send_batch
    requests: list[float] = []

    def none_until_later(url: QueueUrl, messages: Sequence[OutgoingMessage]) -> list[SendFailure]:
        requests.append(bench.clock.monotonic())
        if len(requests) <= together.parties:
            together.wait(PATIENCE_SECONDS)
            raise QueueNotFoundError("", operation="SendMessageBatch")
        return send_batch(url, messages)

    monkeypatch.setattr(bench.sqs, "send_batch", none_until_later)
    scene.publish(*(f"a{number}" for number in range(50)))
    scene.batch.flush()
    assert len(scene.kept()) == 50
