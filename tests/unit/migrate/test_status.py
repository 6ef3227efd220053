"""Steps of a migration: go or wait, by what is seen."""

import json
from pathlib import Path
from typing import Any

import pytest

from celery_aws.migrate.inventory import ResultCount
from celery_aws.migrate.observations import (
    Observations,
    SeenWorker,
    Watched,
    watched,
    workers_of,
)
from celery_aws.migrate.status import Step, Verdict, all_go, steps_of
from celery_aws.migrate.status_report import status_facts, status_lines
from celery_aws.migrate.verification import Difference, Verification
from tests.unit.migrate.scenes import count, inventory

GOLDEN = Path(__file__).parents[2] / "golden" / "migrate"

GO, WAIT, UNKNOWN = Verdict.GO, Verdict.WAIT, Verdict.UNKNOWN

OLD = SeenWorker(node="old@a", reads_both=True, tasks=0, finished=10)
NEW = SeenWorker(node="new@b", reads_both=True, tasks=3, finished=5)
QUIET = Watched(seconds=30, waiting=0, moved=0, finished=0)
CLEAN = Verification(moved={"sent": 5})
NO_RESULTS = ResultCount(results={})


def seen(*queues: Any, **parts: Any) -> Observations:
    """The end of a migration, but for what is said."""
    of_inventory = {"listeners": 0, "results": NO_RESULTS}
    of_inventory |= {
        each: parts.pop(each)
        for each in ("listeners", "results", "claimed", "delayed", "incomplete")
        if each in parts
    }
    given: dict[str, Any] = {
        "new_workers": (NEW,),
        "problems": (),
        "watched": QUIET,
        "verification": CLEAN,
        "results_to_copy": 0,
    }
    return Observations(inventory=inventory(*queues, **of_inventory), **{**given, **parts})


def step(name: str, observed: Observations) -> Step:
    return next(each for each in steps_of(observed) if each.name == name)


def verdict(name: str, observed: Observations) -> Verdict:
    return step(name, observed).verdict


def test_at_the_end_all_go() -> None:
    steps = steps_of(seen(count("celery", 0, held=0)))
    assert [each.name for each in steps if each.verdict is not GO] == []
    assert all_go(steps)
    assert list(status_lines(steps))[-1] == (
        "All steps are done: the old side can be switched off."
    )


def test_in_the_middle_for_people_and_programs() -> None:
    busy = SeenWorker(node="old@a", reads_both=False, tasks=4, finished=10)
    steps = steps_of(
        seen(
            count("celery", 7, held=4),
            old_workers=(busy,),
            listeners=1,
            blocks=("queue-unroutable",),
            problems=None,
            watched=Watched(seconds=30, waiting=5, moved=2, finished=1),
            results=ResultCount(results={"SUCCESS": 3}, chords={"chord-1": (1, 2)}),
            verification=None,
        )
    )
    assert status_facts(steps) == json.loads((GOLDEN / "status.json").read_text())
    assert "\n".join(status_lines(steps)) + "\n" == (GOLDEN / "status.txt").read_text()


@pytest.mark.parametrize(
    ("name", "parts", "expected"),
    [
        ("plan", {"blocks": ("queue-missing",)}, WAIT),
        ("provisioned", {"problems": ("table-missing",)}, WAIT),
        ("provisioned", {"problems": None}, UNKNOWN),
        ("new-workers", {"new_workers": ()}, WAIT),
        ("producers", {"watched": None}, UNKNOWN),
        ("results", {"results": None}, UNKNOWN),
        ("results", {"results": None, "told_results_expired": True}, GO),
        ("results", {"results_to_copy": 3, "told_results_expired": True}, WAIT),
        ("results", {"results": ResultCount(results={}, chords={"one": (1, 2)})}, WAIT),
        ("results", {"results_to_copy": 3}, WAIT),
        ("results", {"results_to_copy": 3, "results_sampled": True}, WAIT),
        ("results", {"results_to_copy": 0, "results_sampled": True}, UNKNOWN),
        (
            "results",
            {"results": ResultCount(results={"SUCCESS": 1}), "results_to_copy": None},
            UNKNOWN,
        ),
        ("verified", {"verification": None}, UNKNOWN),
        ("verified", {"blocks": ("queue-missing",)}, WAIT),
        ("queues", {"claimed": 1}, WAIT),
        ("queues", {"delayed": 1}, WAIT),
        ("queues", {"incomplete": "some queues cannot be seen"}, UNKNOWN),
        ("old-workers-gone", {"old_workers": (OLD,)}, WAIT),
        ("old-workers-gone", {"listeners": 2}, WAIT),
        ("old-workers-gone", {"listeners": None}, UNKNOWN),
        ("old-workers-gone", {"listeners": None, "told_gone": True}, GO),
        ("old-workers-idle", {"listeners": 2}, UNKNOWN),
        ("old-workers-idle", {"old_workers": (OLD,)}, GO),
    ],
)
def test_a_step_waits_for_what_is_missing(
    name: str, parts: dict[str, Any], expected: Verdict
) -> None:
    found = step(name, seen(count("celery", 0, held=0), **parts))
    assert found.verdict is expected
    assert bool(found.judgement.next) is (expected is not GO)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (True, True, GO),
        (False, True, WAIT),
        (True, False, WAIT),
        (None, True, UNKNOWN),
        (True, None, UNKNOWN),
    ],
)
def test_all_workers_have_to_read_both_sides(
    old: bool | None, new: bool | None, expected: Verdict
) -> None:
    workers = {
        "old_workers": (SeenWorker(node="old@a", reads_both=old, tasks=0),),
        "new_workers": (SeenWorker(node="new@b", reads_both=new),),
    }
    assert verdict("result-backend", seen(**workers)) is expected


def test_workers_that_do_not_answer_do_not_say_which_backend_they_have() -> None:
    assert verdict("result-backend", seen(listeners=1)) is UNKNOWN
    assert verdict("result-backend", seen(listeners=None, new_workers=())) is UNKNOWN


@pytest.mark.parametrize(
    ("parts", "expected"),
    [({}, GO), ({"listeners": 1}, WAIT), ({"results_to_copy": 1}, WAIT), ({"results": None}, WAIT)],
)
def test_when_the_old_side_is_done_nobody_has_to_read_it(
    parts: dict[str, Any], expected: Verdict
) -> None:
    new = SeenWorker(node="new@b", reads_both=False)
    assert verdict("result-backend", seen(new_workers=(new,), **parts)) is expected


@pytest.mark.parametrize(
    ("waiting", "moved", "finished", "arrived"),
    [
        (0, 0, 0, 0),
        (-3, 3, 0, 0),
        (-3, 0, 3, 0),
        (2, 0, 0, 2),
        (-3, 3, 1, 1),
        (0, 0, None, 0),
        # Given back by a worker that was stopped: nothing has come.
        (-2, 0, 1, 0),
    ],
)
def test_what_has_come_is_what_there_is_more_than_was(
    waiting: int, moved: int, finished: int | None, arrived: int
) -> None:
    found = Watched(seconds=30, waiting=waiting, moved=moved, finished=finished)
    assert found.arrived == arrived
    expected = WAIT if arrived else UNKNOWN if finished is None else GO
    assert verdict("producers", seen(watched=found, old_workers=(OLD,))) is expected


@pytest.mark.parametrize(
    ("waiting", "finished", "running", "expected"),
    [
        # Tasks that ran have ended: acknowledged when they began, or as many have come.
        (0, 5, -5, UNKNOWN),
        # They were held until then.
        (-5, 5, -5, GO),
        # A task came and runs, acknowledged; or one that was held began.
        (0, 0, 1, UNKNOWN),
        # One that waited began, and one that ran ended.
        (-1, 1, 0, GO),
        (0, 5, -4, WAIT),
        (1, 0, 3, WAIT),
    ],
)
def test_tasks_that_run_may_be_nowhere_else(
    waiting: int, finished: int, running: int, expected: Verdict
) -> None:
    found = Watched(seconds=30, waiting=waiting, moved=0, finished=finished, running=running)
    assert verdict("producers", seen(watched=found, old_workers=(OLD,))) is expected


def test_a_worker_that_ended_or_began_again_leaves_it_open() -> None:
    before = seen(old_workers=(OLD,))
    again = SeenWorker(node="old@a", finished=3)
    for after in ((), (again,), (SeenWorker(node="old@b", finished=10),)):
        found = watched(before, seen(old_workers=after), seconds=30, moved=0)
        assert found.finished is None


def test_what_runs_more_than_before_is_noted() -> None:
    before = seen(old_workers=(SeenWorker(node="old@a", finished=10, running=4),))
    after = seen(old_workers=(SeenWorker(node="old@a", finished=13, running=1),))
    found = watched(before, after, seconds=30, moved=0)
    assert (found.finished, found.running) == (3, -3)
    assert (found.arrived, found.perhaps) == (0, 3)


def test_old_workers_that_do_not_answer_may_have_taken_what_came() -> None:
    assert verdict("producers", seen(listeners=1)) is UNKNOWN
    assert verdict("producers", seen(listeners=0)) is GO


def test_two_looks_make_a_watch() -> None:
    before = seen(count("celery", 10, held=2), old_workers=(OLD,))
    later = SeenWorker(node="old@a", finished=14)
    after = seen(count("celery", 5, held=3), old_workers=(later,))
    found = watched(before, after, seconds=30, moved=1)
    assert found == Watched(seconds=30, waiting=-4, moved=1, finished=4)
    assert found.arrived == 1


def test_a_worker_that_does_not_say_what_it_finished_leaves_it_open() -> None:
    after = seen(old_workers=(OLD, SeenWorker(node="old@b")))
    assert watched(seen(), after, seconds=30, moved=0).finished is None


def test_a_worker_that_came_in_between_finished_all_that_it_says() -> None:
    assert watched(seen(), seen(old_workers=(OLD,)), seconds=30, moved=0).finished == 10


@pytest.mark.parametrize(
    ("queue", "workers", "expected"),
    [
        (count("celery", 0, held=0), (OLD,), GO),
        (count("celery", 0, held=2), (OLD,), WAIT),
        (count("celery", 0, held=0), (SeenWorker(node="old@a", tasks=1),), WAIT),
        (count("celery", 0, held=0), (SeenWorker(node="old@a"),), UNKNOWN),
    ],
)
def test_old_workers_are_stopped_when_they_hold_nothing(
    queue: Any, workers: tuple[SeenWorker, ...], expected: Verdict
) -> None:
    assert verdict("old-workers-idle", seen(queue, old_workers=workers)) is expected


def test_who_consumes_an_old_queue_listens() -> None:
    assert (
        verdict("old-workers-gone", seen(count("celery", 0, consumers=1), listeners=None)) is WAIT
    )
    assert verdict("old-workers-gone", seen(count("celery", 0, consumers=0), listeners=None)) is GO


def test_a_difference_is_told() -> None:
    difference = Difference(name="messages-missing", what="", count=1, examples=(), remedy="")
    found = seen(verification=Verification(moved={}, differences=(difference,)))
    assert "messages-missing" in step("verified", found).judgement.why


class Inspected:
    """Remote control of a side where some workers answer."""

    def __init__(self, **answers: Any) -> None:
        self.control = self
        self.answers = answers
        self.asked: list[dict[str, Any]] = []

    def inspect(self, **options: Any) -> "Inspected":
        self.asked.append(options)
        return self

    def __getattr__(self, name: str) -> Any:
        return lambda: self.answers.get(name)


def test_workers_say_what_they_are() -> None:
    app = Inspected(
        ping={"a": {"ok": "pong"}, "b": {"ok": "pong"}, "c": {"ok": "pong"}},
        conf={
            "a": {"result_backend": "celery_aws.migrate:ResultBackend"},
            "b": {"CELERY_RESULT_BACKEND": "redis://:********@host/1"},
        },
        stats={"a": {"total": {"shop.mail": 2, "shop.pay": 3}}, "b": {"total": {}}},
        active={"a": [1, 2], "b": []},
        reserved={"a": [3]},
        scheduled={"a": [4], "b": [5]},
    )
    assert workers_of(app, timeout_seconds=1.5) == (
        SeenWorker(node="a", reads_both=True, tasks=4, finished=3, running=2),
        SeenWorker(node="b", reads_both=False, tasks=1, finished=0),
        SeenWorker(node="c"),
    )
    assert app.asked == [
        {"timeout": 1.5},
        {"timeout": 1.5, "destination": ["a", "b", "c"], "limit": 3},
    ]


@pytest.mark.parametrize("backend", [None, "disabled", "disabled://"])
def test_an_app_without_results_needs_no_other_backend(backend: str | None) -> None:
    app = Inspected(ping={"a": {}}, conf={"a": {"result_backend": backend}})
    [worker] = workers_of(app)
    assert worker.reads_both


def test_nobody_answers() -> None:
    assert workers_of(Inspected(ping=None)) == ()
