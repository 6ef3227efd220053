"""The way back: what goes into a Redis is what the old workers take out of it."""

import json
from dataclasses import replace
from typing import Any

import pytest
from celery import Celery

from celery_aws.errors import UnreachableError
from celery_aws.migrate.messages import Carried, Refused, Sent, Unsent
from celery_aws.names import AmqpQueue
from tests.integration.migrate.redis.old_side import (
    app_on,
    client_of,
    publish,
    source_of,
    target_of,
)
from tests.servers import RedisServer, redis_server

OPTIONS: dict[str, Any] = {"global_keyprefix": "back:", "priority_steps": [0, 5]}


def messages(redis: RedisServer, count: int = 3) -> list[Carried]:
    """Return messages that Celery published."""
    app = app_on(redis.url(), task_serializer="pickle", task_compression="gzip")
    publish(app, count, priority=7)
    claims = source_of(app).claim(count)
    source_of(app).commit(claims)
    return [claim.message for claim in claims if isinstance(claim.message, Carried)]


def test_old_workers_get_what_was_sent_in_its_order(redis: RedisServer) -> None:
    sent = messages(redis)
    old = app_on(redis.url(), broker_transport_options=OPTIONS)

    answers = target_of(old).send(sent)

    assert all(isinstance(answer, Sent) for answer in answers)
    assert client_of(redis).llen("back:celery\x06\x165") == 3
    old.conf.accept_content = ["pickle"]
    with old.connection_for_read() as connection:
        channel = connection.channel()
        got = [channel.basic_get("celery", no_ack=True) for _ in sent]
    assert [each.headers["id"] for each in got] == [each.task_id for each in sent]
    for each, message in zip(got, sent, strict=True):
        each.accept = {"application/x-python-serialize"}
        assert each.decode()[0][1] == 1
        assert dict(each.headers) == dict(message.envelope["headers"])
        assert each.properties["correlation_id"] == message.task_id


def test_sent_again_it_is_there_once(redis: RedisServer) -> None:
    sent = messages(redis)
    target = target_of(app_on(redis.url(), broker_transport_options=OPTIONS))

    first = target.send(sent[:2])
    again = target_of(app_on(redis.url(), broker_transport_options=OPTIONS)).send(sent)

    assert [first[0], first[1]] == list(again[:2])
    assert client_of(redis).llen("back:celery\x06\x165") == 3
    assert 0 < client_of(redis).ttl("back:celery-aws.migration.received") <= 1_209_600


def test_moved_back_and_away_again_it_is_another_message(redis: RedisServer) -> None:
    [sent] = messages(redis, 1)
    old = app_on(redis.url())
    target_of(old).send([sent])

    [claim] = source_of(old).claim(10)

    assert claim.message.key != sent.key
    assert isinstance(claim.message, Carried)
    assert claim.message.task_id == sent.task_id


def test_one_that_cannot_be_written_keeps_no_other_from_going(redis: RedisServer) -> None:
    sent = messages(redis)
    broken = replace(sent[1], envelope={**sent[1].envelope, "body": "e"})

    answers = target_of(app_on(redis.url())).send([sent[0], broken, sent[2]])

    assert [type(answer) for answer in answers] == [Sent, Refused, Sent]
    entries: Any = client_of(redis).lrange("celery\x06\x166", 0, -1)
    assert [json.loads(raw)["headers"]["id"] for raw in entries[::-1]] == [
        sent[0].task_id,
        sent[2].task_id,
    ]


def test_a_message_of_celery_on_sqs_goes_back(redis: RedisServer) -> None:
    envelope = {
        "body": "[[1, 2], {}, {}]",
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": {"id": "task-1", "task": "old.add"},
        "properties": {"body_encoding": "utf-8", "correlation_id": "task-1"},
    }
    message = Carried(key="sqs-1", queue=AmqpQueue("celery"), envelope=envelope)
    old: Celery = app_on(redis.url())

    target_of(old).send([message])

    with old.connection_for_read() as connection:
        got = connection.channel().basic_get("celery", no_ack=True)
    assert got.decode() == [[1, 2], {}, {}]


def test_without_a_server_it_is_to_be_tried_again() -> None:
    with redis_server() as server:
        [sent] = messages(server, 1)
        target = target_of(app_on(server.url(), broker_transport_options={"socket_timeout": 5}))
        target.send([])

    [answer] = target.send([sent])

    assert isinstance(answer, Unsent)
    assert isinstance(answer.error, UnreachableError)
    target.close()


def test_a_user_without_rights_ends_it(redis: RedisServer) -> None:
    [sent] = messages(redis, 1)
    client_of(redis).acl_setuser("poor", enabled=True, passwords=["+secret"], commands=["+ping"])

    with pytest.raises(ValueError, match=r"NoPermission.*needs: ") as refused:
        target_of(app_on(f"redis://poor:secret@127.0.0.1:{redis.port}/0")).send([sent])
    assert "secret" not in str(refused.value)
