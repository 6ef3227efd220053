"""Which side an app's broker is, by kombu's transport: Redis, RabbitMQ or SQS.

Sides are imported when they are needed: who moves away from Redis needs no AMQP, and the other way
round.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, cast

from celery_aws.errors import UnsupportedError
from celery_aws.migrate.inventory import Inventory
from celery_aws.migrate.old_app import address
from celery_aws.migrate.sides import Source, Target
from celery_aws.names import AmqpQueue


@dataclass(frozen=True, kw_only=True)
class Side:
    """Where the classes of one kind of broker are, as ``module:name``.

    Attributes:
        source: takes messages out of it.
        target: puts messages into it.
        inventory: counts what is in it.
    """

    source: str
    target: str
    inventory: str


#: By the ``driver_type`` of kombu's transports; Sentinel is Redis, TLS does not matter.
SIDES: Mapping[str, Side] = {
    "redis": Side(
        source="celery_aws.migrate.redis.source:RedisSource",
        target="celery_aws.migrate.redis.target:RedisTarget",
        inventory="celery_aws.migrate.redis.inventory:redis_inventory",
    ),
    "amqp": Side(
        source="celery_aws.migrate.amqp.source:AmqpSource",
        target="celery_aws.migrate.amqp.target:AmqpTarget",
        inventory="celery_aws.migrate.amqp.inventory:amqp_inventory",
    ),
    "aws": Side(
        source="celery_aws.migrate.sqs_source:SqsSource",
        target="celery_aws.migrate.sqs_target:SqsTarget",
        inventory="celery_aws.migrate.sqs_inventory:sqs_inventory",
    ),
}

_REDIS, _RABBITMQ, _AWS = "redis", "amqp", "aws"


def driver_of(app: Any) -> str:
    """Return the kind of an app's broker, a key of :data:`SIDES`. No request.

    An app that reads from one broker and writes to another, as in the middle of a cutover, is SQS
    if either is.

    Raises:
        UnsupportedError: nothing can be moved from there, or to there.
    """
    try:
        connections = (app.connection_for_write(), app.connection_for_read())
        drivers = [str(each.get_transport_cls().driver_type) for each in connections]
    except (KeyError, ImportError) as error:
        raise UnsupportedError(
            f"kombu does not know this kind of broker, or what it needs is not installed: {error}"
        ) from error
    if _AWS in drivers:
        return _AWS
    if drivers[-1] in SIDES:
        return drivers[-1]
    raise UnsupportedError(
        f"the broker {address(connections[-1].as_uri())} is of the kind {drivers[-1]!r}; messages "
        "can be moved from and to Redis, RabbitMQ and aws+sqs://. Queues of kombu's own sqs:// "
        "need no move: aws+sqs:// reads them"
    )


def source_of(
    app: Any,
    *,
    queues: Mapping[AmqpQueue, AmqpQueue],
    run: str,
    take_held: bool = False,
    even_if_alive: bool = False,
    management_url: str | None = None,
) -> Source:
    """Return a source of an app's messages; each thread needs one of its own.

    Args:
        app: whose broker is left.
        queues: old names to new names; others are not touched.
        run: name of this run and thread, unique.
        take_held: take what its workers have received and not acknowledged, too.
        even_if_alive: on Redis, do so although a worker may be alive.
        management_url: of RabbitMQ's HTTP API.

    Raises:
        UnsupportedError: nothing can be moved from there.
    """
    driver = driver_of(app)
    options: dict[str, Any] = {}
    if driver == _RABBITMQ:
        options["management_url"] = management_url
    elif driver == _REDIS:
        options["even_if_alive"] = even_if_alive
    make = _named(SIDES[driver].source)
    return cast("Source", make(app, queues=queues, run=run, take_held=take_held, **options))


def target_of(app: Any, run: str, *, passage: str = "") -> Target:
    """Return a target for messages; each thread needs one of its own.

    Args:
        app: whose broker is entered.
        run: name of this run and thread, unique.
        passage: name of the passage (:mod:`celery_aws.migrate.journal`).

    Raises:
        UnsupportedError: nothing can be moved there.
    """
    driver = driver_of(app)
    make = _named(SIDES[driver].target)
    return cast("Target", make(app, run, passage=passage) if driver == _AWS else make(app))


def inventory_of(
    app: Any,
    *,
    queues: Collection[AmqpQueue] | None = None,
    look: bool = True,
    management_url: str | None = None,
) -> Inventory:
    """Return what is in an app's broker; nothing is taken.

    Args:
        app: whose broker is counted.
        queues: only these, by Celery's names; None is all that can be found.
        look: look at messages where that changes nothing, and not only at numbers.
        management_url: of RabbitMQ's HTTP API.

    Raises:
        UnsupportedError: nothing can be moved from there.
    """
    driver = driver_of(app)
    options: dict[str, Any] = {"queues": queues}
    if driver == _RABBITMQ:
        options["management_url"] = management_url
    else:
        options["look"] = look
    return cast("Inventory", _named(SIDES[driver].inventory)(app, **options))


def _named(path: str) -> Callable[..., Any]:
    module, _, name = path.partition(":")
    return cast("Callable[..., Any]", getattr(import_module(module), name))
