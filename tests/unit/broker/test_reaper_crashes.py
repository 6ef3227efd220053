"""A reaper that is killed, stopped or refused leaves nobody deaf, and nothing behind."""

from dataclasses import replace
from typing import cast

import pytest

from celery_aws.aws.dynamodb import TableService
from celery_aws.aws.sqs import QueueService
from celery_aws.broker.reaper import Reaper
from celery_aws.control.inbox_queue import InboxQueue
from celery_aws.core.binding_items import sort_key_of
from celery_aws.core.inbox_items import InboxRecord
from celery_aws.core.routing import Binding
from celery_aws.errors import AccessDeniedError
from celery_aws.names import AmqpQueue, InboxId, QueueUrl, TableName
from celery_aws.table.bindings import Bindings
from celery_aws.table.coordination import SPEC, CoordinationTable
from celery_aws.table.inboxes import Inboxes
from celery_aws.testing.clock import FakeClock
from celery_aws.testing.memory_dynamodb import MemoryTableService
from celery_aws.testing.memory_sqs import MemorySqs
from tests.watched import KilledError, Watched

TABLE = TableName("celery-coordination")
LEASE_SECONDS = 600


class Deployment:
    """Inboxes on doubles, and a reaper whose requests a test may watch."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.sqs = MemorySqs(self.clock)
        tables = MemoryTableService(clock=self.clock)
        tables.create_table(TABLE, SPEC)
        self.tables = Watched(tables)
        service = cast("TableService", self.tables)
        table = CoordinationTable(service=service, name=TABLE, creates=False, clock=self.clock)
        self.inboxes = Inboxes(table=table)
        self.bindings = Bindings(table=table)
        self.requests = Watched(self.sqs)
        self.reaper = self.new_reaper()

    def new_reaper(self) -> Reaper:
        service = cast("QueueService", self.requests)
        return Reaper(
            inboxes=self.inboxes,
            bindings=self.bindings,
            queue=InboxQueue(service, prefix="", tags={}),
            every_seconds=LEASE_SECONDS,
            clock=self.clock,
        )

    def inbox(self, name: str) -> InboxRecord:
        inbox = InboxId(name)
        url = InboxQueue(self.sqs, prefix="", tags={}).create(inbox)
        binding = Binding(
            exchange="celery.pidbox",
            kind="fanout",
            queue=AmqpQueue(f"{name}.celery.pidbox"),
            routing_key="",
            inbox=inbox,
            inbox_url=url,
            token="token",
        )
        record = InboxRecord(
            inbox=inbox,
            url=url,
            owner=name,
            version="1",
            duration_seconds=LEASE_SECONDS,
            bindings=(sort_key_of(binding),),
        )
        self.inboxes.put(record)
        self.bindings.put(binding)
        return record

    def exists(self, url: QueueUrl | None) -> bool:
        return any(url == queue.url for queue in self.sqs._account._queues.values())

    def run_out(self) -> None:
        """Let a lease pass that a reaper has seen the beginning of."""
        self.reaper.turn()
        self.clock.advance(LEASE_SECONDS)


@pytest.fixture
def deployment() -> Deployment:
    return Deployment()


def test_what_has_bindings_no_more_has_no_queue_either(deployment: Deployment) -> None:
    record = deployment.inbox("one")
    deployment.run_out()

    def die(method: str, place: str) -> None:
        if (method, place) == ("write_batch", "after"):
            raise KilledError

    deployment.tables.on_boundary = die
    with pytest.raises(KilledError):
        deployment.reaper.turn()
    assert deployment.bindings.all() == []
    # Its owner is told by its next poll, if it was only stopped.
    assert not deployment.exists(record.url)
    deployment.tables.on_boundary = None
    deployment.reaper = deployment.new_reaper()
    deployment.run_out()
    deployment.reaper.turn()
    assert (deployment.inboxes.all(), deployment.bindings.all()) == ([], [])


def test_one_that_may_not_be_deleted_does_not_keep_the_others(deployment: Deployment) -> None:
    deployment.inbox("one")
    deployment.inbox("two")
    deployment.run_out()
    refusal = AccessDeniedError("no", service="sqs", operation="DeleteQueue")
    deployment.sqs.faults.fail("DeleteQueue", refusal)
    deployment.reaper.turn()
    assert len(deployment.inboxes.all()) == len(deployment.bindings.all()) == 1
    deployment.clock.advance(LEASE_SECONDS)
    deployment.reaper.turn()
    assert (deployment.inboxes.all(), deployment.bindings.all()) == ([], [])


def test_a_reaper_that_was_stopped_does_not_act_on_what_it_read_before(
    deployment: Deployment,
) -> None:
    deployment.inbox("one")
    renewed = replace(deployment.inbox("two"), version="2")
    deployment.run_out()

    def stopped() -> None:
        deployment.clock.advance(LEASE_SECONDS)
        # Its owner was only stopped too, and is back.
        deployment.inboxes.put(renewed)

    deployment.requests.meets(after=stopped)
    deployment.reaper.turn()
    deployment.reaper.turn()
    assert deployment.inboxes.all() == [renewed]
    assert deployment.exists(renewed.url)


def test_the_look_after_a_lease_is_not_a_moment_too_early(deployment: Deployment) -> None:
    deployment.inbox("one")
    # The first answer takes longer than the second.
    deployment.tables.meets(after=lambda: deployment.clock.advance(0.5))
    seconds = deployment.reaper.turn()
    assert seconds == LEASE_SECONDS
    deployment.clock.advance(seconds)
    deployment.reaper.turn()
    assert deployment.inboxes.all() == []


def test_a_look_that_fails_is_made_up_for(deployment: Deployment) -> None:
    deployment.inbox("one")
    deployment.run_out()
    deployment.tables.fail_next(
        "Query", AccessDeniedError("no", service="dynamodb", operation="Query")
    )
    with pytest.raises(AccessDeniedError):
        deployment.reaper.turn()
    deployment.reaper.turn()
    assert deployment.inboxes.all() == []
