import re
from typing import Any

import pytest
from celery import Celery
from celery.beat import ScheduleEntry
from kombu import Exchange, Queue
from kombu.common import Broadcast

from celery_aws.deployment.app_queues import app_queues


def app_with(**conf: Any) -> Celery:
    app = Celery("proj", set_as_current=False)
    app.conf.update(conf)
    return app


def work() -> None: ...


def names(app: Celery, *others: str) -> list[str]:
    return [queue.name for queue in app_queues(app, others=others).queues]


def test_the_default_queue() -> None:
    assert names(app_with()) == ["celery"]
    assert names(app_with(task_default_queue="web")) == ["web"]


def test_declared_queues_and_routes() -> None:
    app = app_with(
        task_queues=[Queue("a"), Queue("b", alias="bee")],
        task_routes={"proj.x": {"queue": "c"}, "proj.y": "d", "proj.z": {"queue": "bee"}},
    )
    assert names(app) == ["a", "b", "c", "d"]


def test_a_beat_entry_may_be_one_of_beats_own() -> None:
    entry = ScheduleEntry(name="n", task="t", schedule=60, options={"queue": "nightly"})
    assert names(app_with(beat_schedule={"n": entry})) == ["celery", "nightly"]


def test_routes_of_every_form() -> None:
    class Router:
        def route_for_task(self, *_: Any) -> None: ...

    def route(*_: Any) -> None: ...

    app = app_with(
        task_routes=[
            {"proj.*": {"queue": "a"}},
            [(re.compile("x"), {"queue": Queue("b")}), ("proj.y", {"routing_key": "no queue"})],
            route,
            Router(),
            "proj.routers.by_name",
        ]
    )
    found = app_queues(app)
    assert [queue.name for queue in found.queues] == ["celery", "a", "b"]
    assert [router.rpartition(".")[2] for router in found.routers] == ["route", "Router", "by_name"]


@pytest.mark.filterwarnings("ignore:(?s).*task attribute is deprecated")
def test_queues_of_tasks_and_of_beat() -> None:
    app = app_with(
        task_annotations={"proj.annotated": {"queue": "c"}},
        beat_schedule={
            "nightly": {"task": "proj.x", "schedule": 60, "options": {"queue": "b"}},
            "hourly": {"task": "proj.x", "schedule": 60},
        },
    )
    app.task(name="proj.x", queue="a", shared=False)(work)
    app.task(name="proj.annotated", shared=False)(work)
    assert set(names(app)) == {"celery", "a", "b", "c"}


def test_queues_that_nobody_wrote_down() -> None:
    assert names(app_with(), "only-a-worker-knows") == ["celery", "only-a-worker-knows"]


def test_priorities() -> None:
    app = app_with(
        task_queues=[Queue("a", max_priority=5), Queue("b", queue_arguments={"x-max-priority": 3})],
        task_queue_max_priority=9,
        task_routes={"proj.x": "c"},
    )
    assert {queue.name: queue.max_priority for queue in app_queues(app).queues} == {
        "a": 5,
        "b": 3,
        "c": 9,
    }


def test_queues_in_memory_are_not_on_sqs() -> None:
    app = app_with(
        task_queues=[
            Broadcast("everybody"),
            Queue("mine", exclusive=True),
            Queue("gone", auto_delete=True, expires=60),
            Queue("kept", Exchange("kept", type="direct"), auto_delete=True),
        ]
    )
    assert names(app) == ["kept"]


def test_looking_changes_nothing() -> None:
    app = app_with(task_routes={"proj.x": "c"})
    app_queues(app, others=["d"])
    assert list(app.amqp.queues) == ["celery"]
