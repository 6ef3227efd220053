"""Where to ask: the HTTP API of an app's RabbitMQ, if it has one; the ways to its queues."""

import ssl
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from kombu.transport.native_delayed_delivery import CELERY_DELAYED_DELIVERY_EXCHANGE

from celery_aws.errors import ConfigurationError
from celery_aws.migrate.amqp.delays import Bound, Routes, routes_of_queues
from celery_aws.migrate.amqp.management import Management, ManagementError
from celery_aws.migrate.amqp.queue_names import OldQueues
from celery_aws.migrate.old_app import old_connection
from celery_aws.names import AmqpQueue

_DEFAULT_VIRTUAL_HOST = "/"

#: Where the HTTP API is if nobody moved it; Amazon MQ has it at the port of HTTPS.
_PLAIN_PORT, _TLS_PORTS = 15672, (443, 15671)


def management_of(app: Any, url: str | None) -> Management | None:
    """Return the HTTP API of an app's broker, None if nobody named it and it is not at its place.

    It is looked for on the broker's host with the broker's user and password, which go over TLS if
    those of the broker do.

    Args:
        app: whose broker it is.
        url: where it is, if somebody says.

    Raises:
        ManagementError: somebody said where, and it does not answer.
        ConfigurationError: the URL is none.
    """
    connection = old_connection(app)
    virtual_host = connection.virtual_host or _DEFAULT_VIRTUAL_HOST
    context = _tls_context(connection.ssl)
    if url is not None:
        if not url.startswith(("http://", "https://")):
            raise ConfigurationError(
                "the URL of RabbitMQ's HTTP API begins with http:// or https://",
                where="--management-url",
            )
        named = Management(_with_user(url, connection), virtual_host, context=context)
        named.version()
        return named
    for guess in _guesses(connection):
        found = Management(_with_user(guess, connection), virtual_host, context=context)
        try:
            found.version()
        except ManagementError:
            continue
        return found
    return None


def facts_of(management: Management | None) -> Mapping[AmqpQueue, Mapping[str, Any]] | None:
    """Return what the HTTP API says of all queues, None if it does not.

    Raises:
        ManagementError: it does not answer.
    """
    told = _told(management.queues) if management is not None else None
    return None if told is None else {AmqpQueue(str(each["name"])): each for each in told}


def routes_of(queues: OldQueues, management: Management | None) -> Routes:
    """Return the routes of delayed messages: RabbitMQ's own, or those that the app declares.

    Raises:
        ManagementError: the HTTP API does not answer.
    """
    exchanges = _told(management.exchanges) if management is not None else None
    told = _told(management.bindings) if management is not None else None
    bindings: dict[str, list[Bound]] = {}
    for each in told or ():
        bindings.setdefault(str(each["source"]), []).append(_bound(each))
    if exchanges is None or CELERY_DELAYED_DELIVERY_EXCHANGE not in bindings:
        return routes_of_queues(queues.declared.values())
    kinds = {str(each["name"]): str(each["type"]) for each in exchanges}
    return Routes(kinds=kinds, bindings=bindings)


def _told(
    ask: Callable[[], Sequence[Mapping[str, Any]]],
) -> Sequence[Mapping[str, Any]] | None:
    """Return the answer, None to a user who may not ask: the API is there, and does not say."""
    try:
        return ask()
    except ManagementError as error:
        if error.status is None:
            raise
        return None


def _bound(binding: Mapping[str, Any]) -> Bound:
    return Bound(
        to=str(binding["destination"]),
        is_queue=binding["destination_type"] == "queue",
        key=str(binding["routing_key"]),
    )


def _guesses(connection: Any) -> list[str]:
    # A list of brokers is tried in its order, and the first of them is known by now.
    host = connection.hostname or "localhost"
    if connection.ssl or connection.transport_cls in ("amqps", "pyamqps"):
        return [f"https://{host}:{port}" for port in _TLS_PORTS]
    return [f"http://{host}:{_PLAIN_PORT}"]


def _with_user(url: str, connection: Any) -> str:
    scheme, _, rest = url.partition("://")
    if "@" in rest.split("/", 1)[0]:
        return url
    password = connection.password
    given = password() if callable(password) else password
    user = quote(connection.userid or "guest", safe="")
    return f"{scheme}://{user}:{quote(given or 'guest', safe='')}@{rest}"


def _tls_context(options: Any) -> ssl.SSLContext:
    """Return the context of TLS with the certificate authorities that the app's broker has."""
    context = ssl.create_default_context()
    if isinstance(options, Mapping) and options.get("ca_certs"):
        context.load_verify_locations(options["ca_certs"])
    return context
