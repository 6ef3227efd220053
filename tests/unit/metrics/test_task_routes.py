from typing import Any

from celery import Celery

from celery_aws.metrics.task_routes import TaskRoutes


def failing(name: str, *_: Any, **__: Any) -> None:
    raise LookupError(name)


def app_with(**conf: Any) -> Celery:
    app = Celery("shop", set_as_current=False, broker="memory://")
    app.conf.update(conf)
    return app


def test_a_task_goes_where_the_app_routes_its_name() -> None:
    routes = TaskRoutes(app_with(task_routes={"mail.*": "mail", "pay": {"queue": "money"}}))
    assert [routes.queue_of(name) for name in ("mail.send", "pay", "add")] == [
        "mail",
        "money",
        "celery",
    ]


def test_where_a_router_fails_it_is_the_default_queue() -> None:
    routes = TaskRoutes(app_with(task_routes=failing, task_default_queue="shop"))
    assert routes.queue_of("add") == "shop"


def test_names_of_tasks_are_not_remembered_without_end() -> None:
    routes = TaskRoutes(app_with(task_routes={"late": "mail"}))
    for number in range(1_000):
        routes.queue_of(str(number))
    assert routes.queue_of("late") == "celery"
