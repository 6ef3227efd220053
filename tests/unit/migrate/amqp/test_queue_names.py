import pytest
from celery import Celery
from kombu import Queue

from celery_aws.migrate.amqp.queue_names import (
    OldQueues,
    is_control,
    is_delay,
    orders_by_priority,
)
from celery_aws.names import AmqpQueue

NAME = AmqpQueue("celery")


def old_queues(**settings: object) -> OldQueues:
    app = Celery(set_as_current=False)
    app.conf.update(settings)
    return OldQueues.of(app)


@pytest.mark.parametrize(
    "name",
    [
        "celery@web.celery.pidbox",
        "celeryev.0a1b",
        "celeryev",
        "0a1b.reply.celery.pidbox",
        "amq.gen-JzTY20BRgKO-HjmUJj0wLg",
    ],
)
def test_control_queues(name: str) -> None:
    assert is_control(name)


@pytest.mark.parametrize(
    "name", ["celery", "celery-events", "pidbox", "mail.reply.fast", "celeryev_x"]
)
def test_queues_of_tasks(name: str) -> None:
    assert not is_control(name)


def test_delay_queues() -> None:
    assert is_delay("celery_delayed_0")
    assert is_delay("celery_delayed_27")
    assert not is_delay("celery_delayed_28")
    assert not is_delay("celery_delayed_delivery")


def test_an_app_says_whether_its_queues_have_priorities() -> None:
    assert old_queues(task_queues=[Queue("celery", max_priority=5)]).has_priorities(NAME) is True
    assert old_queues(task_queues=[Queue("celery")]).has_priorities(NAME) is False
    assert old_queues(task_queue_max_priority=10).has_priorities(NAME) is True


@pytest.mark.parametrize(
    ("routes", "names"),
    [
        (
            {"mail.*": {"queue": "mail"}, "video.*": "video", "other": {"exchange": "x"}},
            "mail video",
        ),
        ([("mail.*", {"queue": Queue("mail")}), {"video.*": "video"}], "mail video"),
        ((("mail.*", "mail"), ["video.*", {"queue": "video"}]), "mail video"),
        (lambda *_: {"queue": "mail"}, ""),
        (None, ""),
    ],
)
def test_routes_name_queues_that_nobody_declares(routes: object, names: str) -> None:
    assert sorted(old_queues(task_routes=routes).routed) == names.split()


def test_defaults_say_nothing() -> None:
    assert old_queues().has_priorities(NAME) is None
    assert old_queues(task_queues=[Queue("a")]).has_priorities(NAME) is None


def test_rabbitmq_says_it_by_an_argument() -> None:
    assert orders_by_priority({"arguments": {"x-max-priority": 3}})
    assert not orders_by_priority({"arguments": {}})
    assert not orders_by_priority({})
