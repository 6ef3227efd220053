"""Back into RabbitMQ: what was taken out of it goes in again, and real Celery reads it."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from celery import Celery
from kombu import Queue

from celery_aws.errors import BrokerLostError, ConfigurationError
from celery_aws.migrate.amqp.queue_names import DELAY_QUEUES
from celery_aws.migrate.amqp.target import AmqpTarget
from celery_aws.migrate.messages import Carried, Refused, Sent, Unsent
from celery_aws.migrate.sides import Claim
from celery_aws.names import AmqpQueue
from tests.integration.migrate.amqp.conftest import (
    MakeApp,
    MakeSource,
    drain,
    ids,
    quorum,
    ready,
    start_delays,
)


def messages(claims: list[Claim]) -> list[Carried]:
    found = [each.message for each in claims]
    assert all(isinstance(each, Carried) for each in found)
    return [each for each in found if isinstance(each, Carried)]


def task(queue: str = "celery", *, eta: datetime | None = None, **changes: object) -> Carried:
    headers = {"task": "t", "id": "one", "eta": eta and eta.isoformat()}
    envelope = {
        "body": "[[], {}, {}]",
        "headers": headers,
        "properties": {"correlation_id": "one", "body_encoding": "utf-8", "delivery_mode": 2},
        "content-type": "application/json",
        "content-encoding": "utf-8",
    }
    carried = Carried(key="k", queue=AmqpQueue(queue), envelope=envelope)
    return replace(carried, **changes)  # type: ignore[arg-type]


def delayed_in(app: Celery) -> int:
    return sum(ready(app, name) for name in DELAY_QUEUES.values())


@pytest.fixture
def app(make_app: MakeApp) -> Celery:
    return make_app(task_queues=[Queue("celery", max_priority=10)])


def test_there_and_back_nothing_is_changed(app: Celery, make_source: MakeSource) -> None:
    for number, serializer in enumerate(("json", "pickle", "msgpack", "yaml")):
        app.send_task("t", [number], serializer=serializer, priority=number, expires=7200)
    app.send_task("t", ["zip"], compression="zlib")
    out = messages(drain(make_source(app, "celery")))
    target = AmqpTarget(app)
    assert [*target.send(out)] == [Sent(message_id="")] * 5
    again = messages(drain(make_source(app, "celery")))
    target.close()
    assert [each.task_id for each in again] == [each.task_id for each in out]
    assert [each.key for each in again] == [each.key for each in out]
    for before, after in zip(out, again, strict=True):
        assert after.priority == before.priority
        assert after.envelope["body"] == before.envelope["body"]
        assert after.envelope["headers"] == before.envelope["headers"]
        assert after.envelope["content-type"] == before.envelope["content-type"]
        expiration = before.envelope["properties"].get("expiration")
        assert after.envelope["properties"].get("expiration") == expiration


def test_a_queue_that_is_missing_is_declared_as_the_app_has_it(app: Celery) -> None:
    target = AmqpTarget(app)
    assert target.send([task()]) == [Sent(message_id="")]
    target.close()
    # Another kind of queue would be refused.
    app.send_task("t", priority=1)
    assert ready(app, "celery") == 2


def test_a_queue_that_nobody_declares_is_an_error_and_nothing_is_sent(app: Celery) -> None:
    target = AmqpTarget(app)
    with pytest.raises(ConfigurationError, match="'nobody'"):
        target.send([task(), task("nobody")])
    target.close()
    assert ready(app, "celery") == 0


def test_a_queue_of_another_app_is_used_as_it_is(make_app: MakeApp) -> None:
    make_app(task_queues=[Queue("celery", max_priority=10)]).send_task("t", queue="celery")
    other = make_app()
    target = AmqpTarget(other)
    assert target.send([task()]) == [Sent(message_id="")]
    target.close()
    assert ready(other, "celery") == 2


def test_what_no_queue_takes_is_unsent(app: Celery) -> None:
    target = AmqpTarget(app)
    target.send([task()])
    with app.connection_for_write() as connection:
        connection.default_channel.queue_delete("celery")
    answers = target.send([task(), task()])
    # The next time it is made again.
    assert target.send([task()]) == [Sent(message_id="")]
    target.close()
    assert all(isinstance(each, Unsent) and "NO_ROUTE" in str(each.error) for each in answers)
    assert ready(app, "celery") == 1


def test_a_queue_that_is_full_refuses_for_now(make_app: MakeApp) -> None:
    arguments = {"x-max-length": 2, "x-overflow": "reject-publish"}
    app = make_app(task_queues=[Queue("celery", queue_arguments=arguments)])
    target = AmqpTarget(app)
    answers = target.send([task() for _ in range(5)])
    target.close()
    sent = [each for each in answers if isinstance(each, Sent)]
    assert len(sent) == ready(app, "celery") == 2


def test_what_amqp_cannot_say_is_refused_and_the_others_are_sent(app: Celery) -> None:
    headers = {"task": "t", "id": "one", "huge": 2**70}
    bad = task(envelope={**task().envelope, "headers": headers})
    target = AmqpTarget(app)
    answers = target.send([task(), bad, task()])
    target.close()
    assert [type(each) for each in answers] == [Sent, Refused, Sent]
    assert ready(app, "celery") == 2


def test_a_lost_connection_is_unsent_and_opened_again(app: Celery) -> None:
    target = AmqpTarget(app)
    target.send([task()])
    with target._line.channel() as channel:
        channel.connection.sock.close()
    [answer] = target.send([task()])
    assert isinstance(answer, Unsent)
    assert isinstance(answer.error, BrokerLostError)
    assert target.send([task()]) == [Sent(message_id="")]
    target.close()
    assert ready(app, "celery") == 2


def test_an_exchange_of_another_kind_is_an_error(make_app: MakeApp) -> None:
    make_app(task_queues=[quorum("a", "shared", key="a")]).send_task("t", queue="a")
    other = make_app(task_queues=[quorum("b", "shared", key="b", kind="direct")])
    target = AmqpTarget(other)
    with pytest.raises(ConfigurationError, match="PRECONDITION_FAILED"):
        target.send([task("b")])
    target.close()


def test_an_eta_waits_where_celery_would_have_put_it(
    make_app: MakeApp, make_source: MakeSource
) -> None:
    app = make_app(
        task_queues=[
            quorum("work", "work", key="work.k"),
            quorum("plain", "plain", key="plain", kind="direct"),
        ]
    )
    eta = datetime.now(timezone.utc) + timedelta(hours=3)
    target = AmqpTarget(app)
    answers = target.send([task("work", eta=eta), task("plain", eta=eta), task("work")])
    target.close()
    assert answers == [
        Sent(message_id="", parked=True),
        Sent(message_id=""),
        Sent(message_id=""),
    ]
    assert delayed_in(app) == 1
    assert ready(app, "plain") == ready(app, "work") == 1
    claims = drain(make_source(app, "work"))
    assert ids(claims) == ["one", "one"]
    assert [each.message.queue for each in claims] == ["work", "work"]


def test_a_delay_comes_out_in_its_queue(make_app: MakeApp) -> None:
    app = make_app(task_queues=[quorum("work", "work", key="work.k")])
    target = AmqpTarget(app)
    # No worker has made the delays; this does, which may take seconds.
    target._prepare(AmqpQueue("work"))
    soon = datetime.now(timezone.utc) + timedelta(seconds=3)
    assert target.send([task("work", eta=soon)]) == [Sent(message_id="", parked=True)]
    target.close()
    with app.connection_for_read() as connection:
        got: list[object] = []
        queue = app.amqp.queues["work"]
        with connection.Consumer(queue, callbacks=[lambda body, message: got.append(body)]):
            connection.drain_events(timeout=20)
    assert got == [[[], {}, {}]]


def test_the_delays_of_a_worker_are_used(make_app: MakeApp) -> None:
    app = make_app(task_queues=[quorum("work", "work", key="work.k")])
    start_delays(app)
    target = AmqpTarget(app)
    far = datetime.now(timezone.utc) + timedelta(days=4000)
    assert target.send([task("work", eta=far)]) == [Sent(message_id="", parked=True)]
    target.close()
    # The longest that there is.
    assert ready(app, DELAY_QUEUES[27]) == 1
