import logging

import pytest

from celery_aws.control.courier import Courier
from celery_aws.control.notices import Notices
from celery_aws.control.routes import Routes
from celery_aws.core.inbox_items import InboxRecord
from celery_aws.core.parcels import unpack
from celery_aws.names import InboxId, QueueUrl
from tests.unit.control.conftest import FAULT, World

OWN = InboxId("own")


class Bench:
    def __init__(self, world: World) -> None:
        self.world = world
        self.routes = Routes(world.bindings, is_told=lambda: True, clock=world.clock)
        self.notices = Notices(world.inboxes, Courier(world.sqs), self.routes, own=lambda: OWN)

    def inbox(self, name: str, *, made: bool = True) -> QueueUrl:
        url = self.world.new_queue(f"{name}.fifo")
        self.world.inboxes.put(
            InboxRecord(
                inbox=InboxId(name),
                url=url if made else QueueUrl(""),
                owner="host:1",
                version="1",
                duration_seconds=600,
            )
        )
        return url

    def told(self, url: QueueUrl) -> list[tuple[str, ...]]:
        return [unpack(body).changed for body in self.world.bodies(url)]


@pytest.fixture
def bench(world: World) -> Bench:
    return Bench(world)


def test_all_others_are_told(bench: Bench) -> None:
    own, one, two = (bench.inbox(name) for name in (OWN, "one", "two"))
    bench.notices.send(["celeryev", "orders"])
    assert [bench.told(url) for url in (own, one, two)] == [
        [],
        [("celeryev", "orders")],
        [("celeryev", "orders")],
    ]


def test_this_process_knows_it_at_once(bench: Bench, world: World) -> None:
    assert bench.routes.of("celeryev") == ()
    bound = world.bind("celeryev", "one")
    bench.notices.send({"celeryev"})
    assert list(bench.routes.of("celeryev")) == [bound]


def test_of_control_commands_and_names_nobody_is_told(bench: Bench, world: World) -> None:
    url = bench.inbox("one")
    bench.notices.send(["celery.pidbox", ""])
    assert (bench.told(url), world.tables.requests["Query"]) == ([], 0)
    bench.notices.send(["celery.pidbox", "orders"])
    assert bench.told(url) == [("orders",)]


def test_who_has_no_queue_yet_is_not_told(bench: Bench, world: World) -> None:
    bench.inbox("one", made=False)
    bench.notices.send(["orders"])
    assert world.sqs.count("SendMessage") == 0


def test_what_fails_is_said_and_nothing_else(
    bench: Bench, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    bench.inbox("one")
    world.tables.fail_next("Query", FAULT)
    bench.notices.send(["orders"])
    world.sqs.faults.fail("SendMessage", FAULT)
    bench.notices.send(["orders"])
    assert [each.levelno for each in caplog.records] == [logging.WARNING] * 2


def test_who_is_gone_is_passed_over(
    bench: Bench, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    gone, there = bench.inbox("gone"), bench.inbox("there")
    world.sqs.delete_queue(gone)
    bench.notices.send(["orders"])
    assert bench.told(there) == [("orders",)]
    assert caplog.records == []
