"""From settings to the keys that Celery reads: two URLs and two mappings of options.

A secret key goes into the URLs, where Celery and kombu mask it; a session token goes into the
options, where Celery masks it by its name (celery/app/utils.py, ``HIDDEN_SETTINGS``): in the
query of a URL nobody would.
"""

from collections.abc import Mapping
from typing import Any

from celery_aws.config.credentials import Credentials
from celery_aws.config.urls import BrokerUrl, ResultUrl


def celery_keys(
    *,
    credentials: Credentials | None,
    region: str | None,
    table: str,
    broker_options: Mapping[str, Any],
    result_options: Mapping[str, Any],
) -> dict[str, Any]:
    """Return Celery's settings by their lower-case names.

    Args:
        credentials: what goes into the URLs; None leaves them to boto3's default chain.
        region: AWS region; None leaves it to boto3's default chain.
        table: name of the results table.
        broker_options: ``broker_transport_options``; None as a value is left out.
        result_options: ``result_backend_transport_options``; None as a value is left out.
    """
    token = credentials.session_token if credentials is not None else None
    broker_url = BrokerUrl(scheme="aws+sqs", credentials=credentials)
    result_url = ResultUrl(
        scheme="aws+dynamodb", credentials=credentials, region=region, table=table
    )
    return {
        "broker_url": broker_url.as_uri(include_password=True),
        "broker_transport_options": _given(
            {"region": region, "session_token": token, **broker_options}
        ),
        "result_backend": result_url.as_uri(include_password=True),
        "result_backend_transport_options": _given({"session_token": token, **result_options}),
    }


def namespaced(keys: Mapping[str, Any], namespace: str | None) -> dict[str, Any]:
    """Return ``keys`` as Celery looks for them under ``namespace``; None changes nothing."""
    if namespace is None:
        return dict(keys)
    return {f"{namespace}_{key}".upper(): value for key, value in keys.items()}


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in options.items() if value is not None}
