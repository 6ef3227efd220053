"""Cancelled tasks: out of the schedule, REVOKED, and a chord goes on."""

from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery, states
from celery.backends.base import Backend
from celery.exceptions import BackendStoreError, TaskRevokedError

from celery_aws.core.messages import OutgoingMessage
from celery_aws.core.parked_tasks import ParkedTask
from celery_aws.core.schedule import ScheduledTask
from celery_aws.errors import AccessDeniedError
from celery_aws.schedule.cancellation import REASON, Cancellation, Cancelled
from celery_aws.schedule.queries import ScheduleQueries
from tests.unit.schedule.parking import ParkingLot, envelope, spoil_message

HOUR = 3_600.0


class Mailroom:
    """:class:`ParkedMessages` that keeps what it is told."""

    def __init__(self, lot: ParkingLot) -> None:
        self.lot = lot
        self.discarded: list[str] = []

    def envelope(self, task: ScheduledTask) -> str:
        return task.message.body

    def send(self, task: ScheduledTask, envelope: str) -> None:
        raise AssertionError("a cancelled task was sent")

    def discard(self, task: ScheduledTask) -> None:
        self.discarded.append(task.task_id)


class RecordingBackend(Backend):
    """Writes down, in one order, what it is told."""

    def __init__(self, app: Celery, lot: ParkingLot) -> None:
        super().__init__(app)
        self.lot = lot
        self.told: list[tuple[Any, ...]] = []
        self.requests: list[Any] = []
        self.failure: Exception | None = None

    def store_result(
        self, task_id: str, result: Any, state: str, request: Any = None, **_: Any
    ) -> None:
        if self.failure is not None:
            raise self.failure
        self.requests.append(request)
        still_parked = bool(ScheduleQueries(self.lot.schedule).find([task_id]))
        self.told.append((task_id, state, type(result), str(result), still_parked))

    def on_chord_part_return(self, request: Any, state: str, result: Any, **_: Any) -> None:
        self.told.append(("chord", request.id, request.group, request.chord["task"], state))


@pytest.fixture
def lot() -> ParkingLot:
    return ParkingLot()


@pytest.fixture
def mailroom(lot: ParkingLot) -> Mailroom:
    return Mailroom(lot)


@pytest.fixture
def app() -> Iterator[Celery]:
    app = Celery("shop", set_as_current=False)
    yield app
    app.close()


@pytest.fixture
def backend(app: Celery, lot: ParkingLot) -> RecordingBackend:
    backend = RecordingBackend(app, lot)
    # Where Celery keeps it: by thread, or for all (result_backend_thread_safe).
    app._local.backend = app._backend_cache = backend
    return backend


@pytest.fixture
def cancellation(
    app: Celery, lot: ParkingLot, mailroom: Mailroom, backend: RecordingBackend
) -> Cancellation:
    return Cancellation(
        app,
        schedule=lot.schedule,
        revocations=lot.revocations,
        messages=mailroom,
        clock=lot.clock,
    )


def found(lot: ParkingLot, task_id: str) -> list[ParkedTask]:
    return ScheduleQueries(lot.schedule).find([task_id])


def message(lot: ParkingLot, task_id: str, **headers: Any) -> OutgoingMessage:
    return OutgoingMessage(body=envelope(task_id, "shop.mail", lot.at(HOUR), **headers))


def test_a_cancelled_task_is_gone_and_revoked(
    lot: ParkingLot, cancellation: Cancellation, backend: RecordingBackend, mailroom: Mailroom
) -> None:
    lot.park("one", HOUR)
    (task,) = found(lot, "one")
    cancellation.remember([task])
    assert lot.revocations.among(["one"]) == {"one"}
    assert cancellation.cancel(task) is Cancelled.REMOVED
    assert found(lot, "one") == []
    # Stored while it was parked: had this been all, a worker would discard the task.
    assert backend.told == [("one", states.REVOKED, TaskRevokedError, REASON, True)]
    assert backend.requests[0].id == "one"
    assert mailroom.discarded == ["one"]


def test_what_was_moved_in_between_is_left_to_its_worker(
    lot: ParkingLot, cancellation: Cancellation, backend: RecordingBackend
) -> None:
    lot.park("one", HOUR)
    (task,) = found(lot, "one")
    entry = lot.schedule.entry(task.key)
    assert entry is not None
    lot.schedule.remove([entry])
    assert cancellation.cancel(task) is Cancelled.GONE
    assert backend.told == []


def test_what_is_moved_while_it_is_cancelled_is_not_reported_to_a_chord_twice(
    lot: ParkingLot,
    cancellation: Cancellation,
    backend: RecordingBackend,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lot.park("one", HOUR, message=message(lot, "one", group="g", chord={"task": "shop.bill"}))
    (task,) = found(lot, "one")
    take = lot.schedule.take

    def moved_first(entry: Any) -> bool:
        lot.schedule.remove([entry])
        return take(entry)

    monkeypatch.setattr(lot.schedule, "take", moved_first)
    assert cancellation.cancel(task) is Cancelled.GONE
    assert [told[0] for told in backend.told] == ["one"]


def test_a_chord_goes_on(
    lot: ParkingLot, cancellation: Cancellation, backend: RecordingBackend
) -> None:
    lot.park("one", HOUR, message=message(lot, "one", group="g", chord={"task": "shop.bill"}))
    (task,) = found(lot, "one")
    assert cancellation.cancel(task) is Cancelled.REMOVED
    assert backend.told[1:] == [("chord", "one", "g", "shop.bill", states.REVOKED)]
    # A result that a chord waits for lives as long as the chord.
    assert backend.requests[0].chord == {"task": "shop.bill"}


def test_the_chord_of_a_body_that_is_not_read_is_left_to_a_worker(
    lot: ParkingLot, cancellation: Cancellation, backend: RecordingBackend
) -> None:
    whole = message(lot, "one", group="g").body.replace("application/json", "application/x-yaml")
    lot.park("one", HOUR, message=OutgoingMessage(body=whole))
    (task,) = found(lot, "one")
    assert cancellation.cancel(task) is Cancelled.WHEN_DUE
    assert found(lot, "one") == [task]
    assert [told[:2] for told in backend.told] == [("one", states.REVOKED)]


@pytest.mark.parametrize(
    ("header", "stores_errors", "stored"),
    [(True, False, 0), (True, True, 1), (False, False, 1), (None, False, 1)],
)
def test_a_result_that_nobody_wants_is_not_stored(
    lot: ParkingLot,
    app: Celery,
    cancellation: Cancellation,
    backend: RecordingBackend,
    header: bool | None,
    stores_errors: bool,
    stored: int,
) -> None:
    app.conf.task_store_errors_even_if_ignored = stores_errors
    lot.park("one", HOUR, message=message(lot, "one", ignore_result=header))
    (task,) = found(lot, "one")
    assert cancellation.cancel(task) is Cancelled.REMOVED
    assert len(backend.told) == stored


def test_a_known_task_says_where_its_result_belongs(
    lot: ParkingLot, app: Celery, cancellation: Cancellation, backend: RecordingBackend
) -> None:
    own = RecordingBackend(app, lot)

    @app.task(
        name="shop.mail",
        shared=False,
        backend=own,
        ignore_result=True,
        store_errors_even_if_ignored=True,
    )
    def mail() -> None: ...

    lot.park("one", HOUR)
    (task,) = found(lot, "one")
    assert cancellation.cancel(task) is Cancelled.REMOVED
    assert len(own.told) == 1
    assert backend.told == []


@pytest.mark.parametrize("wrapped", [True, False])
def test_while_no_result_can_be_stored_the_task_stays(
    lot: ParkingLot, cancellation: Cancellation, backend: RecordingBackend, wrapped: bool
) -> None:
    refused = AccessDeniedError("no right")
    backend.failure = refused
    if wrapped:
        backend.failure = BackendStoreError("no right")
        backend.failure.__cause__ = refused
    lot.park("one", HOUR)
    (task,) = found(lot, "one")
    with pytest.raises(AccessDeniedError, match="no right"):
        cancellation.cancel(task)
    assert found(lot, "one") == [task]


def test_what_nobody_can_read_or_send_can_be_cancelled(
    lot: ParkingLot, cancellation: Cancellation, backend: RecordingBackend
) -> None:
    lot.park("one", HOUR)
    spoil_message(lot)
    (task,) = found(lot, "one")
    assert cancellation.cancel(task) is Cancelled.REMOVED
    assert found(lot, "one") == []
    assert [told[:2] for told in backend.told] == [("one", states.REVOKED)]


def test_an_object_that_a_message_on_its_way_may_need_is_kept(
    lot: ParkingLot, cancellation: Cancellation, mailroom: Mailroom
) -> None:
    lot.park("one", 910)  # may go to SQS in 10 s
    (task,) = found(lot, "one")
    assert cancellation.cancel(task) is Cancelled.REMOVED
    assert mailroom.discarded == []
