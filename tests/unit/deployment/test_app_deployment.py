from typing import Any

import pytest
from celery import Celery
from kombu import Queue
from kombu.common import Broadcast

from celery_aws.core.queue_plan import QueueRole
from celery_aws.deployment import ResultKeys, deployment_of
from celery_aws.errors import ConfigurationError

REGION = {"region": "eu-west-1"}


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


def test_what_is_kept_in_buckets_is_needed_for_so_long() -> None:
    found = deployment_of(
        app_with(
            "aws+sqs://",
            "aws+dynamodb://@eu-west-1/results",
            broker_transport_options={
                "region": "eu-west-1",
                "large_message_bucket": "big",
                "sqs-creation-attributes": {"MessageRetentionPeriod": 3600},
            },
            result_backend_transport_options={"large_result_bucket": "big"},
            result_expires=600,
            result_chord_expires=7200,
        )
    )
    messages, results = found.buckets
    assert (messages.longest_life_seconds, messages.parks) == (3600 + 14 * 86_400, True)
    assert (results.longest_life_seconds, results.parks) == (7200, False)


def test_a_predefined_queue_may_have_a_region_and_keys_of_its_own() -> None:
    queue = {
        "url": "https://sqs.eu-west-1.amazonaws.com/123456789012/celery",
        "region": "eu-west-3",
        "access_key_id": "OTHER",
        "secret_access_key": "secret",
    }
    options = {"region": "eu-west-1", "predefined_queues": {"celery": queue}}
    found = deployment_of(app_with("aws+sqs://", None, broker_transport_options=options))
    access = found.access_of(found.queues[0])
    assert access.region == "eu-west-3"
    assert access.credentials is not None
    assert access.credentials.access_key_id == "OTHER"


def test_any_other_queue_is_reached_as_the_broker_is() -> None:
    options = {"region": "eu-west-1"}
    found = deployment_of(app_with("aws+sqs://", None, broker_transport_options=options))
    assert {found.access_of(queue) is found.broker for queue in found.queues} == {True}


def test_what_producers_do_with_inboxes() -> None:
    plain = deployment_of(app_with("aws+sqs://", None, broker_transport_options=REGION))
    assert plain.transient == ()
    assert not plain.sends_sent_events
    assert not plain.returns_results_by_message
    found = deployment_of(
        app_with(
            "aws+sqs://",
            "rpc://",
            broker_transport_options=REGION,
            task_queues=[Broadcast("everybody", queue="everybody-here"), Queue("celery")],
            task_send_sent_event=True,
        )
    )
    assert found.transient == ("everybody-here",)
    assert found.sends_sent_events
    assert found.returns_results_by_message


def test_keys_of_results() -> None:
    options = {"global_keyprefix": "shop"}
    url = "aws+dynamodb://@eu-west-1/results"
    plain = deployment_of(app_with("memory://", url))
    assert plain.result_keys == ResultKeys()
    found = deployment_of(app_with("memory://", url, result_backend_transport_options=options))
    assert found.result_keys == ResultKeys(
        group="shop_celery-taskset-meta-", chord="shop_chord-unlock-"
    )


@pytest.mark.parametrize("backend", ["nonsense://me:secret@host", "no.such.module:Backend"])
def test_a_result_backend_that_is_not_there_is_a_wrong_setting(backend: str) -> None:
    app = app_with("aws+sqs://", backend, broker_transport_options=REGION)
    with pytest.raises(ConfigurationError, match="no such result backend") as raised:
        deployment_of(app)
    assert "secret" not in str(raised.value)
    assert raised.value.where is not None
