"""Celery on Amazon SQS and DynamoDB, without a Redis or RabbitMQ server.

Installing the package is enough: ``aws+sqs://`` and ``aws+dynamodb://`` are then known to
Celery. Everything here is loaded on first use, because kombu imports this package in every
process that imports Celery.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from celery_aws._awaited_imports import await_imports
from celery_aws._version import __version__ as __version__

if TYPE_CHECKING:
    from celery_aws.aws.child_usage import children_usage as children_usage
    from celery_aws.aws.meter import request_counts as request_counts
    from celery_aws.aws.meter import request_usage as request_usage
    from celery_aws.aws.settings import load_settings as load_settings
    from celery_aws.broker.status import delivery_status as delivery_status
    from celery_aws.config.settings import Settings as Settings
    from celery_aws.core.request_usage import RequestUsage as RequestUsage
    from celery_aws.errors import BatchPublishError as BatchPublishError
    from celery_aws.publish_scope import batch as batch
    from celery_aws.results.table import create_table as create_table

_LAZY = {
    "BatchPublishError": "celery_aws.errors",
    "RequestUsage": "celery_aws.core.request_usage",
    "Settings": "celery_aws.config.settings",
    "batch": "celery_aws.publish_scope",
    "children_usage": "celery_aws.aws.child_usage",
    "delivery_status": "celery_aws.broker.status",
    "load_settings": "celery_aws.aws.settings",
    "request_counts": "celery_aws.aws.meter",
    "request_usage": "celery_aws.aws.meter",
    "create_table": "celery_aws.results.table",
}

__all__ = [
    "BatchPublishError",
    "RequestUsage",
    "Settings",
    "__version__",
    "batch",
    "children_usage",
    "create_table",
    "delivery_status",
    "load_settings",
    "request_counts",
    "request_usage",
]

await_imports()


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
