from contextlib import suppress
from dataclasses import replace

import pytest

from celery_aws.broker.reaper import Reaper
from celery_aws.control.inbox_queue import InboxQueue
from celery_aws.core.binding_items import sort_key_of
from celery_aws.core.inbox_items import InboxRecord
from celery_aws.errors import ServiceFaultError
from celery_aws.names import AmqpQueue, InboxId, QueueName, QueueUrl
from tests.unit.control.conftest import LEASE_SECONDS, StillClock, World, binding

FAULT = ServiceFaultError("down", service="test", operation="Any")


class Deployment(World):
    """Inboxes whose owners renew them when a test says so."""

    def __init__(self) -> None:
        super().__init__(StillClock())
        self.queue = InboxQueue(self.sqs, prefix="", tags={})
        self.reaper = self.new_reaper()

    def new_reaper(self) -> Reaper:
        return Reaper(
            inboxes=self.inboxes,
            bindings=self.bindings,
            queue=self.queue,
            every_seconds=LEASE_SECONDS,
            clock=self.clock,
        )

    def inbox(self, name: str, *, duration_seconds: float = LEASE_SECONDS) -> InboxRecord:
        inbox = InboxId(name)
        url = self.queue.create(inbox)
        bound = binding("celeryev", name, url=url)
        record = InboxRecord(
            inbox=inbox,
            url=url,
            owner="host:1",
            version="1",
            duration_seconds=duration_seconds,
            bindings=(sort_key_of(bound),),
        )
        self.inboxes.put(record)
        self.bindings.put(bound)
        return record

    def renew(self, record: InboxRecord, version: str) -> None:
        self.inboxes.put(replace(record, version=version))

    def look_after(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.reaper.turn()

    def left(self) -> tuple[set[str], set[str], int]:
        """Return the names in the registry and among the bindings, and the number of queues."""
        names: set[str] = {each.inbox for each in self.inboxes.all()}
        bound: set[str] = {each.queue for each in self.bindings.all()}
        return names, bound, len(self.queue_urls())


@pytest.fixture
def deployment() -> Deployment:
    return Deployment()


NOTHING: tuple[set[str], set[str], int] = (set(), set(), 0)


def test_what_was_not_renewed_is_removed_and_nothing_else(
    deployment: Deployment, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("dead", "alive"):
        deployment.inbox(name)
    (alive, _) = sorted(deployment.inboxes.all(), key=lambda each: each.inbox)
    deployment.bindings.put(binding("celeryev", "durable"))
    deployment.sqs.create_queue(QueueName("tasks"), {}, {})
    for look in range(5):
        deployment.renew(alive, str(look))
        deployment.look_after(LEASE_SECONDS)
    assert deployment.left() == ({"alive"}, {"alive", "durable"}, 2)
    assert "dead: host:1 has not renewed it for 600 s" in caplog.text


def test_a_lease_is_counted_from_when_it_was_seen(deployment: Deployment) -> None:
    """Nobody knows for how long it had been there."""
    deployment.look_after(0)
    deployment.clock.advance(LEASE_SECONDS - 1)
    deployment.inbox("one")
    deployment.look_after(1)
    assert deployment.left()[0] == {"one"}
    deployment.look_after(LEASE_SECONDS)
    assert deployment.left() == NOTHING


def test_a_new_leader_counts_from_the_beginning(deployment: Deployment) -> None:
    deployment.inbox("one")
    deployment.look_after(0)
    deployment.reaper = deployment.new_reaper()
    deployment.look_after(LEASE_SECONDS)
    assert deployment.left()[0] == {"one"}
    deployment.look_after(LEASE_SECONDS)
    assert deployment.left() == NOTHING


def test_it_looks_once_a_lease(deployment: Deployment) -> None:
    deployment.look_after(0)
    for _ in range(9):
        deployment.look_after(LEASE_SECONDS / 10)
    assert deployment.tables.requests["Query"] == 1
    deployment.look_after(LEASE_SECONDS / 10)
    assert deployment.tables.requests["Query"] == 2


@pytest.mark.parametrize(("duration_seconds", "looks"), [(3_600, 7), (60, 2)])
def test_an_inbox_has_its_own_duration(
    deployment: Deployment, duration_seconds: float, looks: int
) -> None:
    """Its owner may have other options."""
    deployment.inbox("one", duration_seconds=duration_seconds)
    deployment.look_after(0)
    for _ in range(looks - 2):
        deployment.look_after(LEASE_SECONDS)
    assert deployment.left()[0] == {"one"}
    deployment.look_after(LEASE_SECONDS)
    assert deployment.left() == NOTHING


@pytest.mark.parametrize("operation", ["DeleteQueue", "BatchWriteItem", "DeleteItem"])
def test_what_fails_is_finished_later(deployment: Deployment, operation: str) -> None:
    deployment.inbox("one")
    deployment.look_after(0)
    if operation == "DeleteQueue":
        deployment.sqs.faults.fail(operation, FAULT)
    else:
        deployment.tables.fail_next(operation, FAULT)
    deployment.clock.advance(LEASE_SECONDS)
    with suppress(ServiceFaultError):
        deployment.reaper.turn()
    assert deployment.left()[0] == {"one"}
    for _ in range(2):
        deployment.look_after(LEASE_SECONDS)
    assert deployment.left() == NOTHING


def test_what_is_gone_already_is_no_failure(deployment: Deployment) -> None:
    record = deployment.inbox("one")
    deployment.look_after(0)
    deployment.sqs.delete_queue(record.url)
    deployment.bindings.remove(record.bindings)
    deployment.look_after(LEASE_SECONDS)
    assert deployment.left() == NOTHING


def test_one_that_was_never_finished_is_removed_by_its_name(deployment: Deployment) -> None:
    """Its owner was killed between CreateQueue and what would have said where the queue is."""
    record = deployment.inbox("one")
    deployment.inboxes.put(replace(record, url=QueueUrl("")))
    deployment.look_after(0)
    deployment.look_after(LEASE_SECONDS)
    assert deployment.left() == NOTHING


def test_one_that_is_renewed_while_it_is_removed_stays_in_the_registry(
    deployment: Deployment,
) -> None:
    """Its owner finds the queue gone, and removes the item when it has made another inbox."""
    record = deployment.inbox("one")
    deployment.look_after(0)
    delete = deployment.queue.delete

    class Renewing(InboxQueue):
        def delete(self, inbox: InboxId, url: QueueUrl) -> None:
            deployment.renew(record, "2")
            delete(inbox, url)

    deployment.reaper._queue = Renewing(deployment.sqs, prefix="", tags={})
    deployment.look_after(LEASE_SECONDS)
    assert [each.version for each in deployment.inboxes.all()] == ["2"]
    assert deployment.queue_urls() == set()


def test_an_id_that_comes_back_is_another_inbox(deployment: Deployment) -> None:
    deployment.inbox("one")
    deployment.look_after(0)
    deployment.look_after(LEASE_SECONDS)
    deployment.clock.advance(60)
    again = deployment.inbox("one")
    deployment.look_after(LEASE_SECONDS)
    assert deployment.left()[0] == {"one"}
    assert deployment.reaper._seen[again.inbox][1] == deployment.clock.monotonic()


def test_what_is_gone_is_not_remembered(deployment: Deployment) -> None:
    record = deployment.inbox("one")
    deployment.look_after(0)
    deployment.inboxes.remove(record.inbox)
    deployment.look_after(LEASE_SECONDS)
    assert deployment.reaper._seen == {}
    assert AmqpQueue("one") in deployment.left()[1]


def test_inboxes_that_cannot_be_read_are_left_alone(deployment: Deployment) -> None:
    deployment.inbox("one")
    deployment.look_after(0)
    deployment.clock.advance(LEASE_SECONDS)
    deployment.tables.fail_next("Query", FAULT)
    with pytest.raises(ServiceFaultError):
        deployment.reaper.turn()
    assert deployment.left()[0] == {"one"}
