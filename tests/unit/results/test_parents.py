"""Waiting for the body of a chord and for the end of a chain, whose parents Celery looks at."""

from functools import partial
from typing import Any

import pytest
from celery import Celery, states
from celery.exceptions import ChordError
from celery.result import AsyncResult, EagerResult, GroupResult

from celery_aws.results import DynamoDBBackend
from celery_aws.testing.memory_dynamodb import MemoryTableService
from tests.unit.results.conftest import URL
from tests.unit.results.passing_time import PassingClock


def a_group(app: Celery, size: int, name: str = "h") -> GroupResult:
    members = [AsyncResult(f"{name}{number}", app=app) for number in range(size)]
    return GroupResult(name, members, app=app)


def a_body(app: Celery, size: int) -> AsyncResult:
    return AsyncResult("body", app=app, parent=a_group(app, size))


def run_chord(backend: DynamoDBBackend, clock: PassingClock, size: int, seconds: float) -> None:
    """Let the header's tasks end one after another, and the body soon after."""
    for number in range(size):
        clock.at(
            seconds * (number + 1) / size,
            partial(backend.mark_as_done, f"h{number}", number),
        )
    clock.at(seconds + 0.05, lambda: backend.mark_as_done("body", "sum"))


def reads(service: MemoryTableService) -> int:
    return service.requests["GetItem"] + service.requests["BatchGetItem"]


@pytest.mark.parametrize(("seconds", "most"), [(0.3, 10), (1, 12), (3, 15)])
def test_waiting_for_a_chord_of_fifty(
    backend: DynamoDBBackend,
    app: Celery,
    clock: PassingClock,
    service: MemoryTableService,
    seconds: float,
    most: int,
) -> None:
    run_chord(backend, clock, 50, seconds)
    assert a_body(app, 50).get() == "sum"
    assert reads(service) <= most


def test_a_chord_of_five_thousand_does_not_read_its_header_all_the_time(
    backend: DynamoDBBackend, app: Celery, clock: PassingClock, service: MemoryTableService
) -> None:
    clock.at(100, lambda: backend.mark_as_done("body", "sum"))
    assert a_body(app, 5000).get() == "sum"
    # Stock reads every one of them twice a second: a million.
    assert service.read_units < 30_000


@pytest.mark.parametrize("size", [1, 50, 150])
def test_the_error_of_the_header_is_raised_in_place_of_the_chords(
    backend: DynamoDBBackend, app: Celery, clock: PassingClock, size: int
) -> None:
    clock.at(0.3, lambda: backend.mark_as_failure(f"h{size - 1}", KeyError("header")))
    clock.at(0.3, lambda: backend.mark_as_failure("body", ChordError("dependency raised")))
    with pytest.raises(KeyError, match="header"):
        a_body(app, size).get(timeout=5)


def test_a_failed_parent_ends_the_wait_within_a_second(
    backend: DynamoDBBackend, app: Celery, clock: PassingClock
) -> None:
    clock.at(7, lambda: backend.mark_as_failure("h3", KeyError("header")))
    with pytest.raises(KeyError, match="header"):
        a_body(app, 50).get(timeout=60)
    assert clock.monotonic() <= 8.5


def test_the_chords_error_is_raised_if_the_header_did_not_fail(
    backend: DynamoDBBackend, app: Celery
) -> None:
    backend.mark_as_failure("body", ChordError("no longer exists"))
    with pytest.raises(ChordError):
        a_body(app, 3).get()


@pytest.mark.parametrize("options", [{"propagate": False}, {"follow_parents": False}])
def test_parents_are_not_read_for_who_does_not_follow_them(
    backend: DynamoDBBackend, app: Celery, service: MemoryTableService, options: dict[str, Any]
) -> None:
    backend.mark_as_failure("h0", KeyError("header"))
    backend.mark_as_done("body", 1)
    service.requests.clear()
    assert a_body(app, 3).get(**options) == 1
    assert service.requests == {"GetItem": 1}


def test_the_first_of_a_chain_to_fail_is_raised(
    backend: DynamoDBBackend, app: Celery, clock: PassingClock, service: MemoryTableService
) -> None:
    first = AsyncResult("first", app=app)
    second = AsyncResult("second", app=app, parent=first)
    clock.at(0.5, lambda: backend.mark_as_failure("first", KeyError("first")))
    with pytest.raises(KeyError, match="first"):
        AsyncResult("third", app=app, parent=second).get()
    assert reads(service) <= 23


def test_parents_of_which_the_end_was_seen_are_not_read_again(
    backend: DynamoDBBackend, app: Celery, clock: PassingClock, service: MemoryTableService
) -> None:
    body = a_body(app, 100)
    for parent in body.parent.results:
        backend.mark_as_done(parent.id, 1)
    assert body.parent.ready()
    service.requests.clear()
    clock.at(0.1, lambda: backend.mark_as_done("body", 1))
    body.get()
    assert set(service.requests) == {"GetItem", "PutItem"}


def test_nested_groups_and_eager_results_among_the_parents(
    backend: DynamoDBBackend, app: Celery, clock: PassingClock, service: MemoryTableService
) -> None:
    done = EagerResult("eager", 1, states.SUCCESS)
    header = GroupResult("h", [a_group(app, 30, "x"), done, a_group(app, 30, "y")], app=app)
    clock.at(0.5, lambda: backend.mark_as_failure("y29", KeyError("y")))
    with pytest.raises(KeyError, match="y"):
        AsyncResult("body", app=app, parent=header).get()
    assert reads(service) <= 12


def test_parents_of_another_backend_are_left_to_celery(
    backend: DynamoDBBackend, app: Celery, clock: PassingClock, service: MemoryTableService
) -> None:
    other = DynamoDBBackend(app=app, url=URL, service=service, clock=clock)
    members = [AsyncResult(f"h{number}", app=app, backend=other) for number in range(50)]
    body = AsyncResult("body", app=app, parent=GroupResult("h", members, app=app))
    clock.at(1, lambda: backend.mark_as_failure("h49", KeyError("header")))
    clock.at(1, lambda: backend.mark_as_failure("body", ChordError("dependency raised")))
    with pytest.raises(KeyError, match="header"):
        body.get()
    assert reads(service) <= 65


def test_the_callers_own_callback_is_called(
    backend: DynamoDBBackend, app: Celery, clock: PassingClock
) -> None:
    run_chord(backend, clock, 3, 1)
    told: list[float] = []
    a_body(app, 3).get(on_interval=lambda *_: told.append(clock.monotonic()))
    assert told


def test_a_callback_that_is_no_check_of_parents_is_called_at_every_look(
    backend: DynamoDBBackend, app: Celery, clock: PassingClock
) -> None:
    clock.at(0.1, lambda: backend.mark_as_done("body", 1))
    told: list[float] = []
    backend.wait_for_pending(a_body(app, 3), on_interval=lambda: told.append(clock.monotonic()))
    assert len(told) == len(clock.sleeps)
