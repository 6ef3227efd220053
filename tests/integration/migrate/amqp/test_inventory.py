import pytest
from kombu import Exchange, Queue

from celery_aws.errors import ConfigurationError
from celery_aws.migrate.amqp.inventory import amqp_inventory
from celery_aws.migrate.amqp.management import Management, ManagementError
from celery_aws.migrate.inventory import QueueCount, Trouble
from celery_aws.migrate.old_app import old_app
from celery_aws.migrate.opening import inventory_of
from celery_aws.names import AmqpQueue
from celery_aws.testing.clock import FakeClock
from tests.integration.migrate.amqp.conftest import (
    MakeApp,
    MakeSource,
    quorum,
    start_delays,
    wait_until,
)
from tests.integration.migrate.conftest import VirtualHost

NAME = AmqpQueue("celery")


def test_without_the_http_api_the_queues_of_the_app_are_counted(
    make_app: MakeApp, rabbit: VirtualHost
) -> None:
    app = make_app(task_queues=[Queue("celery"), Queue("not-yet")])
    for _ in range(3):
        app.send_task("t")
    make_app().send_task("t", queue="unseen")
    inventory = amqp_inventory(app)
    assert inventory.source == f"amqp://guest:**@127.0.0.1:{rabbit.server.port}/{rabbit.name}"
    assert inventory.server.startswith("RabbitMQ 3.")
    assert inventory.queues == (QueueCount(queue=NAME, waiting={0: 3}, consumers=0),)
    assert any("HTTP API" in note and "--management-url" in note for note in inventory.notes)
    assert "task_routes" in (inventory.incomplete or "")
    assert amqp_inventory(app, queues=[AmqpQueue("unseen")]).incomplete is None


def test_a_queue_that_only_a_route_names_is_counted(make_app: MakeApp) -> None:
    app = make_app(task_routes={"mail.*": {"queue": "mail"}})
    make_app().send_task("mail.send", queue="mail")
    [mail] = amqp_inventory(app).queues
    assert (mail.queue, mail.waiting, mail.troubles) == ("mail", {0: 1}, ())


def test_the_http_api_shows_what_the_app_does_not_declare(
    make_app: MakeApp, rabbit: VirtualHost
) -> None:
    app = make_app()
    app.send_task("t")
    make_app().send_task("t", queue="forgotten")
    with app.connection_for_read() as connection:
        channel = connection.default_channel
        Queue("empty")(channel).declare()
        Queue("mine", exclusive=True)(channel).declare()
        Queue("gen1@web.celery.pidbox", auto_delete=True)(channel).declare()
        inventory = inventory_of(app, management_url=rabbit.server.management_url)
    counts = {each.queue: each for each in inventory.queues}
    assert set(counts) == {"celery", "forgotten", "empty"}
    assert counts[NAME].troubles == ()
    assert counts[AmqpQueue("empty")].troubles == ()
    [trouble] = counts[AmqpQueue("forgotten")].troubles
    assert isinstance(trouble, Trouble)
    assert (trouble.kind, trouble.count) == ("unroutable", 1)
    assert "--queue forgotten=NEW" in trouble.remedy
    assert inventory.incomplete is None
    [control] = inventory.others
    assert (control.kind, control.count) == ("control", 2)
    assert not any("HTTP API" in note for note in inventory.notes)


def test_what_workers_hold_is_counted(make_app: MakeApp, rabbit: VirtualHost) -> None:
    app = make_app()
    for _ in range(3):
        app.send_task("t")
    url = rabbit.server.management_url
    management = Management(url, rabbit.name)
    with app.connection_for_read() as connection:
        connection.default_channel.basic_get("celery")
        # The HTTP API is some seconds behind.
        wait_until(lambda: management.queues()[0].get("messages_unacknowledged") == 1)
        [count] = amqp_inventory(app, management_url=url, clock=FakeClock()).queues
    assert count.held == 1
    assert count.waiting == {0: 2}
    assert count.bytes


def test_what_a_run_has_just_moved_is_not_held(
    make_app: MakeApp, make_source: MakeSource, rabbit: VirtualHost
) -> None:
    app = make_app()
    for _ in range(3):
        app.send_task("t")
    url = rabbit.server.management_url
    source = make_source(app, "celery")
    claims = source.claim(10)
    management = Management(url, rabbit.name)
    wait_until(lambda: management.queues()[0].get("messages_unacknowledged") == 3)
    source.commit(claims)
    source.close()
    assert amqp_inventory(app, management_url=url).queues[0].held == 0


def test_only_the_named_queues_are_counted_and_they_are_not_unroutable(
    make_app: MakeApp, rabbit: VirtualHost
) -> None:
    app = make_app()
    app.send_task("t")
    app.send_task("t", queue="forgotten")
    names = [AmqpQueue("forgotten"), AmqpQueue("not-there")]
    inventory = amqp_inventory(app, queues=names, management_url=rabbit.server.management_url)
    [count] = inventory.queues
    assert count.queue == "forgotten"
    assert count.troubles == ()


@pytest.mark.parametrize("url", [None, "given"])
def test_delayed_messages_of_one_possible_queue_are_its_own(
    make_app: MakeApp, rabbit: VirtualHost, url: str | None
) -> None:
    app = make_app(task_queues=[quorum("work", "work", key="work.k")])
    start_delays(app)
    for seconds in (70, 4_000):
        app.send_task("t", countdown=seconds, queue="work")
    inventory = amqp_inventory(app, management_url=url and rabbit.server.management_url)
    assert [each.queue for each in inventory.queues] == ["work"]
    assert inventory.queues[0].delayed == inventory.queues[0].messages == 2
    assert inventory.delayed == 0


def test_delayed_messages_of_several_queues_are_counted_together(make_app: MakeApp) -> None:
    app = make_app(
        task_queues=[quorum("work", "work", key="work.k"), quorum("media", "media", key="m")]
    )
    start_delays(app)
    app.send_task("t", countdown=4_000, queue="work")
    inventory = amqp_inventory(app)
    assert inventory.delayed == 1
    assert [each.delayed for each in inventory.queues] == [0, 0]
    assert any("only a run learns" in note for note in inventory.notes)


def test_nothing_is_delivered(make_app: MakeApp, rabbit: VirtualHost) -> None:
    app = make_app(task_queues=[quorum("work", "work", key="work.k")])
    start_delays(app)
    app.send_task("t", queue="work")
    app.send_task("t", countdown=4_000, queue="work")
    amqp_inventory(app, management_url=rabbit.server.management_url)
    with app.connection_for_read() as connection:
        for name in ("work", "celery_delayed_11"):
            message = connection.default_channel.basic_get(name)
            assert not message.delivery_info["redelivered"]
            assert message.headers.get("x-delivery-count", 0) == 0


def test_what_a_queue_does_by_itself_is_told(make_app: MakeApp) -> None:
    arguments = {"x-message-ttl": 60_000, "x-dead-letter-exchange": "dead"}
    queue = Queue("celery", Exchange("celery"), max_priority=10, queue_arguments=arguments)
    app = make_app(task_queues=[queue])
    app.send_task("t")
    notes = " ".join(amqp_inventory(app).notes)
    assert "removes messages after 60000 ms" in notes
    assert "dead-letters to the exchange 'dead'" in notes
    assert "has priorities" in notes


def test_a_wrong_management_url_is_an_error_without_the_password(
    make_app: MakeApp, rabbit: VirtualHost
) -> None:
    app = make_app()
    port = rabbit.server.management_port
    with pytest.raises(ManagementError) as caught:
        amqp_inventory(app, management_url=f"http://guest:wrong-secret@127.0.0.1:{port}")
    assert caught.value.status == 401
    assert "wrong-secret" not in str(caught.value)
    with pytest.raises(ManagementError):
        amqp_inventory(app, management_url="http://127.0.0.1:1")
    with pytest.raises(ConfigurationError, match="http://"):
        amqp_inventory(app, management_url="127.0.0.1")


def test_no_right_is_an_error_that_says_so(rabbit: VirtualHost) -> None:
    app = old_app(broker_url=rabbit.url.replace("guest:guest", "guest:wrong-secret"))
    with pytest.raises(ConfigurationError, match="ACCESS_REFUSED"):
        amqp_inventory(app)


def test_the_user_of_the_broker_is_taken_if_the_url_has_none(
    make_app: MakeApp, rabbit: VirtualHost
) -> None:
    app = make_app()
    app.send_task("t")
    url = f"http://127.0.0.1:{rabbit.server.management_port}/"
    assert amqp_inventory(app, management_url=url).queues[0].waiting == {0: 1}
