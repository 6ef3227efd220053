"""The broker of ``celery -A proj aws ...``, and what its processes share."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from celery_aws.broker import Transport
from celery_aws.broker.coordination import Coordination
from celery_aws.config.broker import WHERE
from celery_aws.deployment import is_ours
from celery_aws.errors import ConfigurationError


@contextmanager
def broker_of(app: Any) -> Iterator[Transport]:
    """Yield the transport of the app's broker, without connecting to it. No request.

    Raises:
        ConfigurationError: the broker is another one, or its settings are wrong.
    """
    with app.connection_for_write() as connection:
        if not is_ours(connection):
            raise ConfigurationError(
                f"the broker is {connection.transport_cls!r}, and this command is for aws+sqs://",
                where="broker_url",
            )
        yield connection.transport


def coordination_of(transport: Transport) -> Coordination:
    """Return what the broker's processes share. No request.

    Raises:
        ConfigurationError: nothing, as the option is off; or no region.
    """
    shared = transport.coordination
    if shared is None:
        raise ConfigurationError(
            f"{WHERE}['coordination_table'] is off, so that no task is ever parked: a long eta "
            "goes through SQS every 900 s, or is held by a worker",
            where=WHERE,
            key="coordination_table",
        )
    return shared
