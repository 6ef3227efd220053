"""An old app on a Redis of a test's own, and what its workers would leave behind."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from kombu import Exchange, Queue
from redis import Redis

from celery_aws.migrate.messages import Carried, Unreadable
from celery_aws.migrate.old_app import old_app
from celery_aws.migrate.redis.source import RedisSource
from celery_aws.migrate.redis.target import RedisTarget
from celery_aws.migrate.sides import Claim
from celery_aws.names import AmqpQueue
from tests.servers import RedisServer

CELERY = AmqpQueue("celery")


#: What a test has opened: the fixture in conftest.py closes it.
OPENED = ExitStack()


def app_on(url: str, **settings: Any) -> Any:
    """Return an old app with these settings."""
    app = old_app(broker_url=url)
    OPENED.callback(app.close)
    app.conf.update(broker_connection_retry=False, **settings)
    return app


def client_of(server: RedisServer) -> "Redis":
    return Redis(host="127.0.0.1", port=server.port)


def source_of(app: Any, *names: str, run: str = "run", **options: Any) -> RedisSource:
    queues = {AmqpQueue(name): AmqpQueue(name) for name in names or ("celery",)}
    source = RedisSource(app, queues=queues, run=run, **options)
    # Only the connection: what a killed one had claimed stays claimed.
    OPENED.callback(source._server.close)
    return source


def target_of(app: Any) -> RedisTarget:
    target = RedisTarget(app)
    OPENED.callback(target.close)
    return target


def publish(app: Any, count: int = 1, **options: Any) -> list[str]:
    """Publish tasks by Celery itself; return their ids in the order of their publishes."""
    return [str(app.send_task("old.add", (number, 1), **options).id) for number in range(count)]


def topic_app(url: str) -> Any:
    """Return an old app with a topic exchange that two queues are bound to."""
    media = Exchange("media", type="topic")
    queues = [
        Queue("video", media, routing_key="media.video.#"),
        Queue("all", media, routing_key="media.#"),
    ]
    app = app_on(url, task_queues=queues)
    with app.connection_for_write() as connection:
        for queue in queues:
            queue(connection.channel()).declare()
    return app


def publish_to_topic(app: Any) -> str:
    """Publish a task to both queues of a topic; return its id."""
    published = app.send_task(
        "old.add", (1, 1), queue="video", exchange="media", routing_key="media.video.cut"
    )
    return str(published.id)


@contextmanager
def taken_by_a_worker(app: Any, queue: str, count: int) -> Iterator[None]:
    """Hold messages as a worker does, for the block; then be killed: nothing is given back."""
    with app.connection_for_read() as connection:
        channel = connection.channel()
        for _ in range(count):
            assert channel.basic_get(queue) is not None
        yield
        # What closing would give back.
        channel.qos._delivered.clear()


def ids_of(claims: Sequence[Claim]) -> list[str | None]:
    return [each.message.task_id for each in claims if isinstance(each.message, Carried)]


def unreadable(claims: Sequence[Claim]) -> list[bytes]:
    return [each.message.raw for each in claims if isinstance(each.message, Unreadable)]


def envelope_of(claim: Claim) -> Mapping[str, Any]:
    assert isinstance(claim.message, Carried)
    return claim.message.envelope


def everything(source: RedisSource) -> list[Claim]:
    """Claim and commit until nothing is left."""
    found: list[Claim] = []
    while claims := source.claim(10):
        found += claims
        source.commit(claims)
    return found


def leftovers(client: "Redis") -> list[bytes]:
    """Return the keys of a migration that are there."""
    found: Any = client.keys("*celery-aws.migration*")
    return sorted(found)
