"""Which broker URL a kombu connection was made with.

kombu takes URLs apart in several places, and Celery hands over parts beside them. Facts:
kombu/connection.py (``Connection.__init__``, ``switch``).
"""

from dataclasses import replace
from typing import Any

from celery_aws.config.credentials import credentials_or_none
from celery_aws.config.urls import BrokerUrl, Endpoint, looks_like_region, parse_broker_url


def broker_url(client: Any) -> BrokerUrl:
    """Return what a kombu connection's URL says.

    The URL arrives whole in ``hostname``, without the ``aws+`` that kombu cuts off; the parts
    of an alternate arrive parsed (``Connection.switch``), and so do those of a connection
    that was made from parts. ``userid`` and ``password`` (Celery's ``broker_user`` and
    ``broker_password``) may come beside a URL that has none.
    """
    parts = credentials_or_none(client.userid, client.password, where="broker_url")
    if client.hostname and "://" in client.hostname:
        scheme = f"{client.uri_prefix}+sqs" if client.uri_prefix else None
        url = parse_broker_url(client.hostname, scheme=scheme)
        return url if url.credentials is not None else replace(url, credentials=parts)
    host = client.hostname
    region = host if host and client.port is None and looks_like_region(host) else None
    endpoint = Endpoint(host=host, port=client.port) if host and region is None else None
    return BrokerUrl(
        scheme="aws+sqs",
        credentials=parts,
        endpoint=endpoint,
        region=region,
    )
