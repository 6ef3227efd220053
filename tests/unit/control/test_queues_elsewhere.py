from typing import cast

import pytest

from celery_aws.aws.dynamodb import TableService
from celery_aws.control import queues_elsewhere
from celery_aws.control.queues_elsewhere import REMEMBERED_SECONDS, QueuesElsewhere
from celery_aws.names import AmqpQueue, QueueUrl
from celery_aws.table.bindings import Bindings
from tests.unit.control.conftest import FAULT, World
from tests.watched import Watched

ONE = AmqpQueue("one")
URL = QueueUrl("https://sqs.us-east-1.amazonaws.com/000000000000/inbox.fifo")


@pytest.fixture
def tables(world: World) -> Watched:
    return Watched(world.tables)


@pytest.fixture
def elsewhere(world: World, tables: Watched) -> QueuesElsewhere:
    table = world.table(cast("TableService", tables))
    return QueuesElsewhere(Bindings(table=table), world.clock)


def test_a_queue_is_looked_up_once_in_a_while(
    world: World, tables: Watched, elsewhere: QueuesElsewhere
) -> None:
    one = world.bind("", "one", kind="direct", routing_key="one", url=URL)
    world.bind("", "two", kind="direct", routing_key="two", url=URL)
    assert ONE not in elsewhere
    for seconds in (0, REMEMBERED_SECONDS - 1):
        world.clock.advance(seconds)
        assert list(elsewhere.find(ONE)) == [one]
    assert ONE in elsewhere
    assert len(tables.log) == 1
    world.clock.advance(1)
    elsewhere.find(ONE)
    assert len(tables.log) == 2


def test_what_is_nobodys_is_looked_up_each_time(
    world: World, tables: Watched, elsewhere: QueuesElsewhere
) -> None:
    assert (list(elsewhere.find(ONE)), ONE in elsewhere) == ([], False)
    one = world.bind("", "one", kind="direct", routing_key="one", url=URL)
    assert list(elsewhere.find(ONE)) == [one]
    assert len(tables.log) == 2


def test_what_is_gone_is_forgotten(world: World, elsewhere: QueuesElsewhere) -> None:
    world.bind("", "one", kind="direct", routing_key="one", url=URL)
    elsewhere.find(ONE)
    world.bindings.remove(["/one/one/inbox.fifo"])
    world.clock.advance(REMEMBERED_SECONDS)
    assert list(elsewhere.find(ONE)) == []
    assert ONE not in elsewhere


def test_not_too_many_are_remembered(
    world: World, elsewhere: QueuesElsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queues_elsewhere, "REMEMBERED_QUEUES", 2)
    names = [AmqpQueue(str(number)) for number in range(3)]
    for name in names:
        world.bind("", name, kind="direct", routing_key=name, url=URL)
        elsewhere.find(name)
    assert [name in elsewhere for name in names] == [False, False, True]


def test_what_cannot_be_read_is_raised(world: World, elsewhere: QueuesElsewhere) -> None:
    world.tables.fail_next("Query", FAULT)
    with pytest.raises(type(FAULT)):
        elsewhere.find(ONE)
