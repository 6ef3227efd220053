"""Tasks in RabbitMQ's native delays, put there by real Celery and taken out again."""

from datetime import datetime, timedelta, timezone
from itertools import pairwise

import pytest
from celery import Celery
from kombu import Exchange, Queue

from celery_aws.migrate.amqp.queue_names import DELAY_QUEUES
from celery_aws.migrate.messages import Carried
from celery_aws.migrate.sides import Claim, left_behind
from celery_aws.names import AmqpQueue
from tests.integration.migrate.amqp.conftest import (
    MakeApp,
    MakeSource,
    drain,
    ids,
    quorum,
    ready,
    start_delays,
    wait_until,
)
from tests.integration.migrate.conftest import VirtualHost

HOURS = 3600


def to(exchange: str, key: str) -> Queue:
    """Where a producer sends that names exchange and key, and not a queue."""
    return Queue("", Exchange(exchange, type="topic"), routing_key=key)


def delayed_in(app: Celery) -> int:
    return sum(ready(app, name) for name in DELAY_QUEUES.values())


def envelope(claim: Claim) -> Carried:
    assert isinstance(claim.message, Carried)
    return claim.message


@pytest.fixture
def app(make_app: MakeApp) -> Celery:
    app = make_app(
        task_queues=[
            quorum("work", "work", key="work.k"),
            quorum("media", "media", key="media.#"),
            quorum("plain", "plain", key="plain", kind="direct"),
        ]
    )
    start_delays(app)
    return app


@pytest.mark.parametrize("knows", ["its app", "rabbitmq"])
def test_delayed_tasks_go_to_their_queues_with_their_etas(
    app: Celery, rabbit: VirtualHost, make_source: MakeSource, knows: str
) -> None:
    now = datetime.now(timezone.utc)
    etas: dict[str, tuple[str, datetime]] = {}
    for seconds in (70, 1_000, 5_000, 90_000, 30_000_000):
        for queue, key in (("work", "work.k"), ("media", "media.video.hd")):
            eta = now + timedelta(seconds=seconds)
            sent = app.send_task("t", eta=eta, queue=to(queue, key))
            etas[sent.id] = (queue, eta)
    assert delayed_in(app) == 10
    url = rabbit.server.management_url if knows == "rabbitmq" else None
    source = make_source(app, "work", "media", management_url=url)
    claims = drain(source)
    assert len(claims) == 10
    found = {each.task_id: each for each in map(envelope, claims)}
    for task_id, (queue, eta) in etas.items():
        message = found[task_id]
        assert message.queue == queue
        # Celery makes a countdown of it, and an eta again.
        due = datetime.fromisoformat(message.envelope["headers"]["eta"])
        assert abs(due - eta) < timedelta(seconds=5)
        info = message.envelope["properties"]["delivery_info"]
        key = "work.k" if queue == "work" else "media.video.hd"
        assert info == {"exchange": queue, "routing_key": key}
    assert delayed_in(app) == 0
    assert source.left == {}


def test_the_longest_waits_are_taken_first_and_queues_before(
    app: Celery, make_source: MakeSource
) -> None:
    sent = [app.send_task("t", countdown=seconds, queue="work").id for seconds in (70, 500, 9_000)]
    first = app.send_task("t", queue="work").id
    assert ids(drain(make_source(app, "work"))) == [first, *reversed(sent)]


def test_direct_exchanges_have_no_native_delay(app: Celery, make_source: MakeSource) -> None:
    sent = app.send_task("t", countdown=HOURS, queue="plain").id
    assert delayed_in(app) == 0
    assert ids(drain(make_source(app, "plain"))) == [sent]


def test_what_is_for_other_queues_stays_and_is_not_taken_again_and_again(
    app: Celery, make_source: MakeSource, caplog: pytest.LogCaptureFixture
) -> None:
    left = [app.send_task("t", countdown=HOURS, queue=to("media", "media.x")).id]
    app.send_task("t", countdown=HOURS, queue=to("unknown", "nobody.knows"))
    wanted = app.send_task("t", countdown=HOURS, queue="work").id
    source = make_source(app, "work")
    assert ids(drain(source)) == [wanted]
    for _ in range(5):
        assert source.claim(10) == []
    assert source.left == {"media.x": 1, "nobody.knows": 1}
    assert left_behind(source) == 2
    wait_until(lambda: delayed_in(app) == 2)
    with caplog.at_level("WARNING"):
        source.close()
    assert "'nobody.knows'" in caplog.text
    later = drain(make_source(app, "media"))
    assert ids(later) == left
    # Twice by the first source: a quorum queue counts deliveries.
    assert later[0].seen_before


def test_one_for_two_queues_becomes_two(make_app: MakeApp, make_source: MakeSource) -> None:
    app = make_app(task_queues=[quorum("one", "both", key="key"), quorum("two", "both", key="key")])
    start_delays(app)
    sent = app.send_task("t", countdown=HOURS, queue=to("both", "key")).id
    source = make_source(app, "one", "two")
    claims = source.claim(10)
    assert ids(claims) == [sent, sent]
    assert [each.message.queue for each in claims] == ["one", "two"]
    source.commit(claims[:1])
    source.close()
    wait_until(lambda: delayed_in(app) == 1)
    source = make_source(app, "one", "two")
    again = source.claim(10)
    assert [each.message.key for each in again] == [each.message.key for each in claims]
    source.commit(again)
    source.close()
    assert delayed_in(app) == 0


def test_one_that_went_on_meanwhile_has_the_same_key(app: Celery, make_source: MakeSource) -> None:
    app.send_task("t", countdown=3, queue="work")
    source = make_source(app, "work")
    [claim] = source.claim(10)
    source.close()
    wait_until(lambda: ready(app, "work") == 1)
    [again] = drain(make_source(app, "work"))
    assert again.message.key == claim.message.key
    assert again.seen_before


def test_without_an_eta_the_delay_says_when(app: Celery, make_source: MakeSource) -> None:
    import amqp
    from kombu.transport.native_delayed_delivery import calculate_routing_key

    with app.connection_for_write() as connection:
        connection.default_channel.basic_publish_confirm(
            amqp.Message(b"[[],{},{}]", application_headers={"task": "t", "id": "1"}),
            exchange="celery_delayed_27",
            routing_key=calculate_routing_key(HOURS, "work.k"),
        )
    before = datetime.now(timezone.utc)
    [claim] = drain(make_source(app, "work"))
    eta = datetime.fromisoformat(envelope(claim).envelope["headers"]["eta"])
    assert timedelta(0) <= eta - before - timedelta(seconds=HOURS) < timedelta(seconds=30)


def test_a_batch_is_not_larger_than_asked_for(app: Celery, make_source: MakeSource) -> None:
    for number in range(25):
        app.send_task("t", countdown=HOURS + number, queue="work")
    source = make_source(app, queues={AmqpQueue("work"): AmqpQueue("work")})
    sizes = []
    while claims := source.claim(10):
        source.commit(claims)
        sizes.append(len(claims))
    assert sizes == [10, 10, 5]
    assert all(before >= after for before, after in pairwise(sizes))
