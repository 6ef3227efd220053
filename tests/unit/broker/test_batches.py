"""``celery_aws.batch`` and Celery's groups, from a Celery app to SQS in memory."""

import asyncio
import contextvars
import itertools
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from celery import Celery, chain, chord, group
from celery.canvas import chunks
from kombu.exceptions import EncodeError, OperationalError

import celery_aws
from celery_aws.broker.directory import QueueAddress, QueueDirectory
from celery_aws.core.envelope import load_envelope
from celery_aws.errors import (
    BatchPublishError,
    InvalidRequestError,
    MessageTooLargeError,
    ThrottledError,
)
from celery_aws.names import AmqpQueue, QueueName
from celery_aws.testing import FakeClock, MemorySqs
from tests.unit.broker.conftest import NAME, PATIENCE_SECONDS, Connect

_numbers = itertools.count()


class Shop:
    """An app whose broker is in memory, and what that got."""

    def __init__(self, sqs: MemorySqs, **options: Any) -> None:
        self.sqs = sqs
        self.app = Celery("shop", set_as_current=False)
        self.app.conf.update(
            # kombu has one pool of connections for one URL.
            broker_url=f"aws+sqs://AKIAKEY{next(_numbers)}:secret@localhost:1",
            broker_transport_options={
                "region": "eu-west-1",
                "coordination_table": False,
                **options,
            },
            result_backend="cache+memory://",
        )

    def task(self, number: int = 0, **options: Any) -> Any:
        return self.app.signature("shop.add", (number,), options=options)

    def tasks(self, count: int) -> list[Any]:
        return [self.task(number) for number in range(count)]

    def sends(self) -> list[int]:
        """Return how many entries each request had that brought something to SQS."""
        return [call.entries for call in self.sqs.calls if call.operation.startswith("SendMessage")]

    def ids(self, name: QueueName = NAME) -> list[str]:
        return [load_envelope(each.body)["headers"]["id"] for each in self.sqs.messages(name)]


@pytest.fixture
def shop(connect: Connect, sqs: MemorySqs) -> Iterator[Shop]:
    made = Shop(sqs)
    made.task().apply_async()
    sqs.calls.clear()
    sqs.purge_queue(sqs.queue_url(NAME))
    sqs.calls.clear()
    yield made
    made.app.close()


def outage(sqs: MemorySqs) -> None:
    error = ThrottledError("slower", service="sqs", operation="SendMessageBatch")
    sqs.faults.fail("SendMessageBatch", error, times=99)


def test_a_block_is_sent_in_batches_and_ends_when_it_is_sent(shop: Shop) -> None:
    with celery_aws.batch(shop.app):
        ids = [shop.task(number).apply_async().id for number in range(12)]
        assert len(shop.ids()) <= 10
    assert sorted(shop.sends()) == [2, 10]
    assert sorted(shop.ids()) == sorted(ids)


def test_what_a_generator_has_yielded_does_not_wait_for_the_next(shop: Shop) -> None:
    def tasks() -> Iterator[Any]:
        # Celery takes one task more than it publishes.
        yield from (shop.task(0), shop.task(1))
        assert shop.sqs.wait_until(lambda: len(shop.ids()) == 1)
        yield shop.task(2)

    group(tasks(), app=shop.app).apply_async()
    assert len(shop.ids()) == 3
    couriers = [each for each in threading.enumerate() if each.name == "celery-aws-courier"]
    for courier in couriers:
        courier.join(PATIENCE_SECONDS)
        assert not courier.is_alive()


def test_a_generator_in_a_block_waits_for_full_requests(shop: Shop) -> None:
    with celery_aws.batch(shop.app):
        group((shop.task(number) for number in range(3)), app=shop.app).apply_async()
        assert not [each for each in threading.enumerate() if each.name == "celery-aws-courier"]
    assert shop.sends() == [3]


def test_a_single_task_is_one_durable_request(shop: Shop) -> None:
    task = shop.task().apply_async()
    assert shop.ids() == [task.id]
    assert [call.operation for call in shop.sqs.calls] == ["SendMessage"]


def test_what_goes_wrong_is_told_at_the_end_by_task_ids(shop: Shop) -> None:
    outage(shop.sqs)
    with pytest.raises(BatchPublishError) as raised:  # noqa: SIM117 - the outer one is asserted
        with celery_aws.batch(shop.app):
            ids = [shop.task().apply_async().id for _ in range(3)]
    assert raised.value.not_sent == ids
    assert isinstance(raised.value, OperationalError)
    assert shop.ids() == []


def test_celerys_retry_policy_is_respected(shop: Shop, clock: FakeClock) -> None:
    outage(shop.sqs)
    shop.app.conf.task_publish_retry_policy = {"max_retries": 1, "interval_start": 7}
    with pytest.raises(BatchPublishError), celery_aws.batch(shop.app):
        shop.task().apply_async()
    assert shop.sqs.count("SendMessageBatch") == 6
    assert max(clock.sleeps) == pytest.approx(1)  # kombu's, if a policy says nothing of it

    shop.sqs.calls.clear()
    with pytest.raises(BatchPublishError):
        group(shop.tasks(2), app=shop.app).apply_async(retry=False)
    assert shop.sqs.count("SendMessageBatch") == 3


def test_a_block_that_raises_sends_what_was_published(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    published: list[str] = []

    def publish_and_fail() -> None:
        with celery_aws.batch(shop.app):
            published.extend(shop.task().apply_async().id for _ in range(5))
            raise LookupError

    with pytest.raises(LookupError):
        publish_and_fail()
    assert shop.ids() == published

    outage(shop.sqs)
    with pytest.raises(LookupError):
        publish_and_fail()
    assert all(task_id in caplog.text for task_id in published[5:])


def test_a_batch_in_a_batch_joins_it(shop: Shop) -> None:
    with celery_aws.batch(shop.app):
        with celery_aws.batch(shop.app):
            shop.task().apply_async()
        group(shop.tasks(3), app=shop.app).apply_async()
        assert shop.sends() == []
    assert shop.sends() == [4]


def test_who_waits_in_the_block_flushes_first(shop: Shop) -> None:
    with celery_aws.batch(shop.app) as batch:
        first = shop.task().apply_async()
        batch.flush()
        assert shop.ids() == [first.id]
        shop.task().apply_async()
    assert shop.sends() == [1, 1]


def test_a_task_that_is_too_large_is_refused_where_it_is_published(shop: Shop) -> None:
    with celery_aws.batch(shop.app):
        shop.task().apply_async()
        with pytest.raises(MessageTooLargeError):
            shop.app.signature("shop.add", ("x" * 1_100_000,)).apply_async()
    assert shop.sends() == [1]


def test_delays_and_priorities_are_kept(connect: Connect, sqs: MemorySqs, clock: FakeClock) -> None:
    shop = Shop(sqs, priority_steps=[0, 5])
    with celery_aws.batch(shop.app):
        shop.task().apply_async(DelaySeconds=60)
        shop.task().apply_async(priority=7)
        shop.task().apply_async(priority=0)
    assert shop.sends() == [2, 1]
    delays = [round(each.visible_at - clock.monotonic()) for each in sqs.messages(NAME)]
    assert delays == [60, 0]
    assert len(sqs.messages(QueueName("celery-priority-5"))) == 1
    shop.app.close()


def test_parked_tasks_and_remote_control_do_not_wait_for_a_batch(
    connect: Connect, sqs: MemorySqs, tables: Any, clock: FakeClock
) -> None:
    shop = Shop(sqs, coordination_table="coordination")
    with celery_aws.batch(shop.app):
        late = shop.task().apply_async(eta=clock.now() + timedelta(days=2))
        assert any(late.id in repr(item) for item in tables.items("coordination"))
        shop.app.control.broadcast("ping")
    assert shop.sends() == []
    shop.app.close()


def test_other_threads_and_coroutines_are_not_caught_in_it(shop: Shop) -> None:
    async def others() -> list[str]:
        inside, outside = asyncio.Event(), asyncio.Event()

        async def single() -> str:
            await inside.wait()
            task_id = str(shop.task().apply_async().id)
            assert shop.ids() == [task_id]
            outside.set()
            return task_id

        async def batched() -> str:
            with celery_aws.batch(shop.app):
                task_id = str(shop.task().apply_async().id)
                inside.set()
                await outside.wait()
                assert task_id not in shop.ids()
            return task_id

        return list(await asyncio.gather(single(), batched()))

    assert shop.ids() == []
    assert asyncio.run(others()) == shop.ids()

    with celery_aws.batch(shop.app):
        thread = threading.Thread(target=shop.task().apply_async)
        thread.start()
        thread.join(PATIENCE_SECONDS)
        assert len(shop.ids()) == 3


def test_what_a_block_has_started_may_publish_in_it_until_it_ends(shop: Shop) -> None:
    with celery_aws.batch(shop.app):
        context = contextvars.copy_context()
        context.run(shop.task().apply_async)
        assert shop.sends() == []
    context.run(shop.task().apply_async)
    assert [call.operation for call in shop.sqs.calls] == ["SendMessageBatch", "SendMessage"]


def test_what_a_thread_is_late_with_is_sent_all_the_same(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It looks for its queue, or puts a body into S3, while the block ends."""
    looks, over = threading.Event(), threading.Event()
    address = QueueDirectory.address

    def address_slowly(self: QueueDirectory, queue: AmqpQueue) -> QueueAddress:
        if threading.current_thread().name == "late":
            looks.set()
            assert over.wait(PATIENCE_SECONDS)
        return address(self, queue)

    monkeypatch.setattr(QueueDirectory, "address", address_slowly)
    with celery_aws.batch(shop.app):
        shop.task().apply_async()
        context = contextvars.copy_context()
        publish = shop.task().apply_async
        thread = threading.Thread(target=context.run, args=(publish,), name="late")
        thread.start()
        assert looks.wait(PATIENCE_SECONDS)
    assert len(shop.ids()) == 1
    over.set()
    thread.join(PATIENCE_SECONDS)
    assert len(shop.ids()) == 2


def test_a_forked_child_sends_nothing_of_its_parents(shop: Shop) -> None:
    with celery_aws.batch(shop.app):
        shop.task().apply_async()
        pid = os.fork()
        if pid == 0:  # pragma: no cover - in the child
            shop.task().apply_async()
            os._exit(0 if shop.sends() == [1] and len(shop.ids()) == 1 else 1)
        assert os.waitpid(pid, 0)[1] == 0
        assert shop.ids() == []
    assert len(shop.ids()) == 1


GREENLETS = """
from gevent import monkey; monkey.patch_all()
import gevent, threading
import celery_aws.aws.sqs
from celery_aws.testing.memory_sqs import MemorySqs
sqs = MemorySqs()
celery_aws.aws.sqs.SqsQueueService = lambda access: sqs
from celery import Celery
app = Celery("shop", broker="aws+sqs://a:b@localhost:1", set_as_current=False)
app.conf.broker_transport_options = {"region": "eu-west-1", "coordination_table": False}
begun, over = gevent.event.Event(), gevent.event.Event()

def batched():
    with celery_aws.batch(app):
        for _ in range(35):
            app.signature("shop.add").apply_async()
        begun.set()
        assert over.wait(10)

def single():
    assert begun.wait(10)
    app.signature("shop.add").apply_async()
    over.set()

greenlets = [gevent.spawn(batched), gevent.spawn(single)]
gevent.joinall(greenlets, raise_error=True, timeout=20)
sends = [call.entries for call in sqs.calls if call.operation == "SendMessageBatch"]
print(sorted(sends), sqs.count("SendMessage"))
"""


def test_greenlets_are_not_caught_in_it_and_send_it() -> None:
    pytest.importorskip("gevent")
    ran = subprocess.run(
        [sys.executable, "-c", GREENLETS], capture_output=True, text=True, check=False, timeout=60
    )
    assert ran.stdout == "[5, 10, 10, 10] 1\n", ran.stderr


def test_groups_chunks_and_headers_are_batches(shop: Shop) -> None:
    group(shop.tasks(11), app=shop.app).apply_async()
    chunks(shop.task(), [(number,) for number in range(30)], 10, app=shop.app).apply_async()
    chord(shop.tasks(10), shop.task(), app=shop.app).apply_async()
    assert sorted(shop.sends()[:2]) == [1, 10]
    # Celery makes a generator of chunks, and the clock here runs while somebody waits.
    *chunked, header = shop.sends()[2:]
    assert (sum(chunked), header) == (3, 10)


def test_a_group_within_a_group_is_one_batch(shop: Shop) -> None:
    inner = group(shop.tasks(4), app=shop.app)
    ids = group(shop.task(), inner, chain(shop.task(), shop.task()), app=shop.app).apply_async()
    assert shop.sends() == [6]
    assert ids.id not in shop.ids()


def test_a_group_says_which_of_its_tasks_did_not_go(shop: Shop) -> None:
    shop.sqs.faults.refuse_entries(
        "SendMessageBatch", entries=1, code="InvalidMessageContents", sender_fault=True
    )
    shop.sqs.faults.fail("SendMessage", InvalidRequestError("so it is"))
    tasks = group(
        [each.set(task_id=f"id{n}") for n, each in enumerate(shop.tasks(3))], app=shop.app
    )
    with pytest.raises(BatchPublishError, match=r"1 did not go to SQS \(id0\): so it is") as raised:
        tasks.apply_async()
    assert raised.value.not_sent == ["id0"]
    assert raised.value.sent == shop.ids() == ["id1", "id2"]


def test_an_error_in_a_group_leaves_its_earlier_tasks_sent(shop: Shop) -> None:
    wrong = shop.app.signature("shop.add", (object(),))
    with pytest.raises(EncodeError):
        group([shop.task(), wrong, shop.task()], app=shop.app).apply_async()
    assert shop.sends() == [1]


def test_the_size_of_a_chord_is_known_before_its_last_task_can_run(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    known: list[tuple[int, int]] = []

    def set_chord_size(group_id: str, size: int) -> None:
        known.append((size, len(shop.ids())))

    monkeypatch.setattr(shop.app.backend, "set_chord_size", set_chord_size)
    chord(shop.tasks(10), shop.task(), app=shop.app).apply_async()
    assert known == [(10, 0)]


def test_groups_are_left_alone_where_that_is_wanted(connect: Connect, sqs: MemorySqs) -> None:
    shop = Shop(sqs, batch_groups=False)
    group(shop.tasks(3), app=shop.app).apply_async()
    assert shop.sends() == [1, 1, 1]
    with celery_aws.batch(shop.app):
        group(shop.tasks(3), app=shop.app).apply_async()
    assert shop.sends() == [1, 1, 1, 3]
    shop.app.close()


def test_groups_of_other_brokers_are_as_ever() -> None:
    app = Celery("other", broker="memory://", set_as_current=False)
    result = group([app.signature("a", (number,)) for number in range(3)], app=app).apply_async()
    with app.connection() as connection:
        queue = connection.SimpleQueue("celery")
        ids = [queue.get(timeout=PATIENCE_SECONDS).headers["id"] for _ in range(3)]
    assert ids == [each.id for each in result.results]
    app.close()
