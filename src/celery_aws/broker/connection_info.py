"""``Connection.info()`` without secrets.

A worker puts it into ``inspect stats`` and takes only the password out of it
(celery/worker/consumer/connection.py). A transport that is handed its URL unparsed finds the
secret in ``hostname`` as well, in the alternates, and in the transport options.

kombu makes the transport at the first use of a connection, so an ``info()`` before any other
use, ``as_uri()`` and ``repr()`` included, is out of reach; Celery makes none.
"""

from collections.abc import Mapping
from typing import Any

from celery_aws.config.parsing import SECRET_KEYS
from celery_aws.config.urls import parse_broker_url
from celery_aws.errors import ConfigurationError

MASK = "**"


def hide_secrets_in_info(client: Any, transport: Any) -> None:
    """Mask what ``client.info()`` returns from now on.

    Args:
        client: the kombu connection; ``clone()`` is not affected, it does not use ``info``.
        transport: its transport, which knows the masked URL.
    """
    original = type(client).info

    def info() -> dict[str, Any]:
        facts = dict(original(client))
        if facts.get("hostname") and "://" in facts["hostname"]:
            facts["hostname"] = transport.as_uri(facts["hostname"])
        if facts.get("password"):
            facts["password"] = MASK
        facts["alternates"] = [_masked_url(url) for url in facts.get("alternates") or ()]
        facts["transport_options"] = masked(facts.get("transport_options") or {})
        return facts

    client.info = info


def masked(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of ``options`` with the values of secret keys masked, at any depth."""
    return {key: _masked_value(key, value) for key, value in options.items()}


def _masked_value(key: str, value: Any) -> Any:
    if key in SECRET_KEYS and value:
        return MASK
    return masked(value) if isinstance(value, Mapping) else value


def _masked_url(url: str) -> str:
    try:
        return parse_broker_url(url).as_uri()
    except ConfigurationError:
        return MASK
