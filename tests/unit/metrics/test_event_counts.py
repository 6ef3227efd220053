from typing import Any

import pytest

from celery_aws.metrics.bounded_names import BoundedNames
from celery_aws.metrics.event_counts import FORGET_SECONDS, REMEMBERED_TASKS, EventCounts
from celery_aws.metrics.samples import Distribution
from celery_aws.testing.clock import START, FakeClock

T = START.timestamp()


class Heard:
    """Counts of events that a test makes up."""

    def __init__(self, *, by_host: bool = True) -> None:
        self.clock = FakeClock()
        self.ended: list[str] = []
        self.counts = EventCounts(
            names=BoundedNames(lambda: {"add"}, most_unknown=1),
            queues=BoundedNames(lambda: {"celery", "mail"}),
            route=lambda name: "mail" if name == "mail" else "celery",
            on_end=self.ended.append,
            by_host=by_host,
            clock=self.clock,
        )

    def hear(self, kind: str, task_id: str = "1", at: float = 0.0, **fields: Any) -> None:
        hostname = "gen9@web" if kind == "task-sent" else "one@host"
        event = {"uuid": task_id, "hostname": hostname, "raw_timestamp": T + at}
        self.counts.handle({"type": kind, **event, **fields})

    def values(self) -> dict[tuple[str, ...], Any]:
        return {(each.metric.name, *each.labels): each.value for each in self.counts.samples()}


def test_later_events_of_a_task_have_the_name_and_queue_of_the_first() -> None:
    heard = Heard()
    heard.hear("task-sent", name="add", queue="mail")
    heard.hear("task-received", name="add")
    heard.hear("task-started")
    heard.hear("task-succeeded", runtime=2.0)
    values = heard.values()
    runtime = values.pop(("celery_task_runtime", "add", "one@host", "mail"))
    assert isinstance(runtime, Distribution)
    assert (runtime.count, runtime.sum) == (1, 2)
    values.pop(("celery_task_queue_wait_time", "add", "one@host", "mail"))
    assert values == {
        ("celery_task_sent_total", "add", "generic", "mail"): 1,
        ("celery_task_received_total", "add", "one@host", "mail"): 1,
        ("celery_task_started_total", "add", "one@host", "mail"): 1,
        ("celery_task_succeeded_total", "add", "one@host", "mail"): 1,
    }
    assert heard.ended == ["mail"]


@pytest.mark.parametrize("first", ["task-sent", "task-started"])
def test_the_wait_is_measured_whichever_of_its_ends_is_heard_first(first: str) -> None:
    heard = Heard()
    sent = {"kind": "task-sent", "at": 1.0, "name": "add", "queue": "celery"}
    started = {"kind": "task-started", "at": 4.0, "name": "add"}
    for event in (sent, started) if first == "task-sent" else (started, sent):
        heard.hear(**event)  # type: ignore[arg-type]
    waited = heard.values()["celery_task_queue_wait_time", "add", "one@host", "celery"]
    assert waited.count == 1
    assert waited.sum == pytest.approx(3.0)


def test_an_eta_is_no_wait() -> None:
    heard = Heard()
    heard.hear("task-sent", name="add", queue="celery", eta="2026-03-14T15:09:36.535897+00:00")
    heard.hear("task-started", at=12.0)
    waited = heard.values()["celery_task_queue_wait_time", "add", "one@host", "celery"]
    assert waited.sum == pytest.approx(2.0)


def test_a_failure_has_the_class_of_what_was_raised() -> None:
    heard = Heard()
    heard.hear("task-received", name="add")
    heard.hear("task-failed", exception="LookupError('no')")
    heard.hear("task-failed", exception="<strange>")
    values = heard.values()
    assert values["celery_task_failed_total", "add", "one@host", "LookupError", "celery"] == 1
    assert values["celery_task_failed_total", "add", "one@host", "UnknownException", "celery"] == 1


def test_a_task_that_nobody_told_of_is_unknown_and_its_queue_is_the_route_of_its_name() -> None:
    heard = Heard()
    heard.hear("task-started", "7")
    heard.hear("task-received", "8", name="mail")
    heard.hear("task-received", "9", name="another")
    assert set(heard.values()) == {
        ("celery_task_started_total", "unknown", "one@host", "celery"),
        ("celery_task_received_total", "other", "one@host", "mail"),
        ("celery_task_received_total", "other", "one@host", "celery"),
    }


def test_a_step_of_a_priority_is_its_queue() -> None:
    heard = Heard()
    heard.hear("task-sent", name="add", queue="mail-priority-6")
    assert list(heard.values()) == [("celery_task_sent_total", "add", "generic", "mail")]


def test_only_the_latest_tasks_are_remembered() -> None:
    heard = Heard()
    heard.hear("task-received", "first", name="add")
    for number in range(REMEMBERED_TASKS):
        heard.hear("task-received", str(number), name="add")
    heard.hear("task-started", "first")
    assert ("celery_task_started_total", "unknown", "one@host", "celery") in heard.values()


def test_a_worker_is_up_while_its_heartbeats_come() -> None:
    heard = Heard()
    heard.hear("worker-online", freq=15.0)
    heard.hear("worker-heartbeat", freq=15.0, active=3)
    up, active = ("celery_worker_up", "one@host"), ("celery_worker_tasks_active", "one@host")
    assert heard.values() == {up: 1, active: 3}
    assert heard.counts.workers_online == 1
    heard.clock.advance(30.5)
    assert heard.values() == {up: 0, active: 0}
    heard.hear("worker-heartbeat", freq=15.0, active=1)
    heard.hear("worker-offline", freq=15.0)
    assert heard.values()[up] == 0
    assert heard.counts.workers_online == 0


def test_a_worker_that_is_gone_for_long_is_forgotten_with_its_tasks() -> None:
    heard = Heard()
    heard.hear("worker-heartbeat", freq=15.0)
    heard.hear("task-received", name="add")
    heard.clock.advance(FORGET_SECONDS + 1)
    assert heard.values() == {}


def test_tasks_of_a_worker_without_heartbeats_are_kept_while_they_come() -> None:
    heard = Heard()
    received = ("celery_task_received_total", "add", "one@host", "celery")
    heard.hear("worker-online")
    for number in range(3):
        heard.hear("task-received", str(number), name="add")
        heard.clock.advance(FORGET_SECONDS - 1)
        assert heard.values()[received] == number + 1
    heard.clock.advance(2)
    assert heard.values() == {}


def test_a_worker_that_only_its_tasks_tell_of_is_forgotten_too() -> None:
    heard = Heard()
    heard.hear("task-received", name="add")
    heard.clock.advance(FORGET_SECONDS + 1)
    assert heard.values() == {}


def test_workers_may_be_taken_together() -> None:
    heard = Heard(by_host=False)
    for host in ("one@a", "two@b"):
        heard.counts.handle({"type": "worker-heartbeat", "hostname": host, "active": 2, "freq": 5})
    heard.hear("task-received", name="add")
    assert heard.values() == {
        ("celery_worker_up", "generic"): 2,
        ("celery_worker_tasks_active", "generic"): 4,
        ("celery_task_received_total", "add", "generic", "celery"): 1,
    }


@pytest.mark.parametrize("event", [{}, {"type": "task-cancelled"}, {"type": "my-event", "a": 1}])
def test_other_events_are_passed_over(event: dict[str, Any]) -> None:
    heard = Heard()
    heard.counts.handle(event)
    assert heard.values() == {}
