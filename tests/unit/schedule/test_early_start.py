"""Tasks that run before their time: sent without their eta, then removed; never the other way."""

import json
from typing import Any

import pytest

from celery_aws.core.messages import OutgoingMessage
from celery_aws.core.parked_messages import mark_parked, maybe_sent_before
from celery_aws.core.parked_tasks import ParkedTask
from celery_aws.core.schedule import ScheduledTask
from celery_aws.errors import UnreachableError, UnsupportedError
from celery_aws.schedule.early_start import EarlyStart, Started
from celery_aws.schedule.queries import ScheduleQueries
from tests.unit.schedule.parking import ParkingLot, envelope, spoil_message

HOUR = 3_600.0


class Mailroom:
    """:class:`ParkedMessages` that keeps what it is told, and whether the entry was there."""

    def __init__(self, lot: ParkingLot) -> None:
        self.lot = lot
        self.sent: list[tuple[ScheduledTask, dict[str, Any], bool]] = []
        self.discarded: list[str] = []
        self.failure: Exception | None = None
        self.moved_meanwhile = False

    def envelope(self, task: ScheduledTask) -> str:
        return task.message.body

    def send(self, task: ScheduledTask, envelope: str) -> None:
        if self.failure is not None:
            raise self.failure
        parked = ScheduleQueries(self.lot.schedule).find([task.task_id])
        self.sent.append((task, json.loads(envelope), bool(parked)))
        if self.moved_meanwhile:
            self.lot.table.delete(parked[0].key)

    def discard(self, task: ScheduledTask) -> None:
        self.discarded.append(task.task_id)


@pytest.fixture
def lot() -> ParkingLot:
    return ParkingLot()


@pytest.fixture
def mailroom(lot: ParkingLot) -> Mailroom:
    return Mailroom(lot)


@pytest.fixture
def start(lot: ParkingLot, mailroom: Mailroom) -> EarlyStart:
    return EarlyStart(lot.schedule, mailroom, lot.clock)


def found(lot: ParkingLot, task_id: str = "one") -> list[ParkedTask]:
    return ScheduleQueries(lot.schedule).find([task_id])


def park_marked(lot: ParkingLot, seconds: float) -> ParkedTask:
    body = envelope("one", "shop.mail", lot.at(seconds))
    lot.park("one", seconds, message=mark_parked(OutgoingMessage(body=body), "one"))
    (task,) = found(lot)
    return task


def test_a_task_is_sent_without_its_eta_and_then_removed(
    lot: ParkingLot, start: EarlyStart, mailroom: Mailroom
) -> None:
    task = park_marked(lot, HOUR)
    assert start.run_now(task) is Started.SENT
    ((sent, body, was_parked),) = mailroom.sent
    assert body["headers"]["eta"] is None
    assert body["headers"]["id"] == "one"
    assert was_parked
    assert not maybe_sent_before(sent.message.message_attributes)
    assert found(lot) == []
    assert mailroom.discarded == ["one"]


def test_what_sqs_may_not_have_stays_parked(
    lot: ParkingLot, start: EarlyStart, mailroom: Mailroom
) -> None:
    task = park_marked(lot, HOUR)
    mailroom.failure = UnreachableError("no answer")
    with pytest.raises(UnreachableError):
        start.run_now(task)
    assert found(lot) == [task]
    mailroom.failure = None
    assert start.run_now(task) is Started.SENT


def test_what_a_mover_may_be_sending_says_that_it_may_come_twice(
    lot: ParkingLot, start: EarlyStart, mailroom: Mailroom
) -> None:
    task = park_marked(lot, 901)
    assert start.run_now(task) is Started.SENT_MAYBE_TWICE
    ((sent, _, _),) = mailroom.sent
    assert maybe_sent_before(sent.message.message_attributes)
    assert mailroom.discarded == []


def test_what_was_moved_while_it_was_sent_may_come_twice(
    lot: ParkingLot, start: EarlyStart, mailroom: Mailroom
) -> None:
    task = park_marked(lot, HOUR)
    mailroom.moved_meanwhile = True
    assert start.run_now(task) is Started.SENT_MAYBE_TWICE
    assert mailroom.discarded == []


def test_what_was_moved_before_is_not_sent(
    lot: ParkingLot, start: EarlyStart, mailroom: Mailroom
) -> None:
    task = park_marked(lot, HOUR)
    lot.table.delete(task.key)
    assert start.run_now(task) is Started.GONE
    assert mailroom.sent == []


def test_an_eta_that_cannot_be_taken_out_is_an_error_that_says_so(
    lot: ParkingLot, start: EarlyStart, mailroom: Mailroom
) -> None:
    whole = json.loads(envelope("one", "shop.mail", lot.at(HOUR)))
    pickled = {**whole, "headers": {}, "content-type": "application/x-python-serialize"}
    lot.park("one", HOUR, message=OutgoingMessage(body=json.dumps(pickled)))
    (task,) = found(lot)
    with pytest.raises(UnsupportedError, match=r"shop\.mail\[one\].*x-python-serialize"):
        start.run_now(task)
    assert mailroom.sent == []
    assert found(lot) == [task]


def test_what_nobody_can_read_is_an_error_that_says_so(lot: ParkingLot, start: EarlyStart) -> None:
    lot.park("one", HOUR)
    spoil_message(lot)
    (task,) = found(lot)
    with pytest.raises(UnsupportedError, match="the message is unreadable"):
        start.run_now(task)
    assert found(lot) == [task]


def test_all_of_one_id_can_be_sent(lot: ParkingLot, start: EarlyStart, mailroom: Mailroom) -> None:
    first = lot.park("one", HOUR)
    second = lot.park("one", 2 * HOUR, queue="other")
    assert [start.run_now(task) for task in found(lot)] == [Started.SENT] * 2
    assert [each.queue for each, _, _ in mailroom.sent] == [first.queue, second.queue]
