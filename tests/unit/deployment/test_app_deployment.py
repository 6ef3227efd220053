from typing import Any

import pytest
from celery import Celery

from celery_aws.core.queue_plan import QueueRole
from celery_aws.deployment import deployment_of
from celery_aws.errors import ConfigurationError


def app_with(broker_url: str, result_backend: str | None, **conf: Any) -> Celery:
    app = Celery("proj", set_as_current=False, broker=broker_url, backend=result_backend)
    app.conf.update(conf)
    return app


def test_everything() -> None:
    found = deployment_of(
        app_with(
            "aws+sqs://",
            "aws+dynamodb://@eu-west-1/results",
            broker_transport_options={
                "region": "ap-northeast-1",
                "queue_name_prefix": "hoge-",
                "large_message_bucket": "big",
                "large_message_prefix": "tasks/",
            },
            result_backend_transport_options={"large_result_bucket": "big"},
        )
    )
    assert found.broker is not None
    assert found.broker.region == "ap-northeast-1"
    assert [queue.name for queue in found.queues] == ["hoge-celery-dead-letter", "hoge-celery"]
    assert [each.name for each in found.with_role(QueueRole.TASKS)] == ["hoge-celery"]
    assert [(table.kind, table.name, table.access.region) for table in found.tables] == [
        ("results", "results", "eu-west-1"),
        ("coordination", "hoge-celery-coordination", "ap-northeast-1"),
    ]
    assert [(each.kind, each.name, each.prefix) for each in found.buckets] == [
        ("messages", "big", "tasks/"),
        ("results", "big", ""),
    ]
    assert found.remote_control


def test_only_the_broker() -> None:
    options = {"region": "eu-west-1", "coordination_table": False}
    found = deployment_of(app_with("aws+sqs://", None, broker_transport_options=options))
    assert found.tables == ()
    assert not found.remote_control


def test_only_the_results() -> None:
    found = deployment_of(app_with("memory://", "aws+dynamodb://@eu-west-1/results"))
    assert found.broker is None
    assert found.queues == ()
    assert [table.kind for table in found.tables] == ["results"]


def test_neither() -> None:
    with pytest.raises(ConfigurationError, match="broker_url"):
        deployment_of(app_with("memory://", "cache+memory://"))


def test_queues_that_are_not_predefined() -> None:
    url = "https://sqs.eu-west-1.amazonaws.com/123456789012/celery"
    found = deployment_of(
        app_with(
            "aws+sqs://",
            None,
            task_routes={"proj.x": "reports"},
            broker_transport_options={
                "region": "eu-west-1",
                "predefined_queues": {"celery": {"url": url}},
            },
        )
    )
    assert [queue.url for queue in found.queues] == [url]
    assert found.undefined == ("reports",)
