"""From an app's configuration to everything that it needs on AWS."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from celery.backends.rpc import RPCBackend
from kombu.utils.encoding import bytes_to_str

from celery_aws.aws.access import Access
from celery_aws.aws.s3 import object_access
from celery_aws.broker import Transport
from celery_aws.broker.coordination import coordination_access, table_name, table_spec
from celery_aws.broker.directory import broker_access
from celery_aws.config.broker import BrokerOptions
from celery_aws.core.queue_plan import longest_message_life_seconds, planned_queues
from celery_aws.deployment.app_queues import app_queues
from celery_aws.deployment.resources import (
    Deployment,
    PlannedBucket,
    PlannedTable,
    ResultKeys,
)
from celery_aws.errors import ConfigurationError
from celery_aws.names import BucketName
from celery_aws.results import our_backend, our_settings, result_backend_of
from celery_aws.results.items import RESULTS_TABLE
from celery_aws.results.settings import ResultSettings
from celery_aws.table.coordination import PURPOSE


def deployment_of(app: Any, *, queues: Iterable[str] = ()) -> Deployment:
    """Return what an app needs on AWS. No request.

    Args:
        app: a Celery app whose broker or result backend is ours.
        queues: Celery's names of queues that the configuration does not name.

    Raises:
        ConfigurationError: neither is ours, or a setting is wrong.
    """
    results = our_settings(app)
    with _transport(app) as transport:
        if transport is None and results is None:
            raise ConfigurationError(
                "neither broker_url nor result_backend is one of celery-aws: "
                "aws+sqs://, aws+dynamodb://",
                where="broker_url",
            )
        found = Deployment() if transport is None else _of_broker(app, transport, queues)
    backend = our_backend(app)
    if results is None or backend is None:
        return found
    planned = _with_results(found, results, backend.lifetimes.longest)
    return replace(planned, result_keys=_result_keys(backend))


def is_ours(connection: Any) -> bool:
    """Tell whether a kombu connection is to SQS by this package."""
    try:
        found = connection.get_transport_cls()
    except ImportError:
        return False  # of a broker that is not installed here
    return isinstance(found, type) and issubclass(found, Transport)


@contextmanager
def _transport(app: Any) -> Iterator[Transport | None]:
    with app.connection_for_write() as connection:
        yield connection.transport if is_ours(connection) else None


def _of_broker(app: Any, transport: Transport, others: Iterable[str]) -> Deployment:
    options = transport.options
    access = broker_access(transport.url, options)
    named = app_queues(app, others=others)
    planned = planned_queues(options, named.queues)
    served = {queue.serves for queue in planned}
    return Deployment(
        broker=access,
        options=options,
        queues=tuple(planned),
        tables=tuple(_coordination_tables(options, access)),
        buckets=tuple(_message_buckets(options, access)),
        routers=named.routers,
        undefined=tuple(queue.name for queue in named.queues if queue.name not in served),
        transient=named.transient,
        sends_sent_events=bool(app.conf.task_send_sent_event),
        returns_results_by_message=isinstance(result_backend_of(app), RPCBackend),
    )


def _result_keys(backend: Any) -> ResultKeys:
    """Return the prefixes as a backend has them, ``global_keyprefix`` in front."""
    return ResultKeys(
        group=bytes_to_str(backend.group_keyprefix), chord=bytes_to_str(backend.chord_keyprefix)
    )


def _coordination_tables(options: BrokerOptions, access: Access) -> Iterator[PlannedTable]:
    if options.coordination_table is not False:
        yield PlannedTable(
            kind="coordination",
            name=table_name(options),
            spec=table_spec(options),
            purpose=PURPOSE,
            access=coordination_access(options, access),
            created_when_missing=options.create_coordination_table,
        )


def _message_buckets(options: BrokerOptions, access: Access) -> Iterator[PlannedBucket]:
    if options.large_message_bucket is not None:
        yield PlannedBucket(
            kind="messages",
            name=BucketName(options.large_message_bucket),
            prefix=options.large_message_prefix,
            access=object_access(access, options.large_message_endpoint_url),
            longest_life_seconds=longest_message_life_seconds(options),
            parks=options.coordination_table is not False,
        )


def _with_results(
    found: Deployment, settings: ResultSettings, longest_result_seconds: int | None
) -> Deployment:
    table = PlannedTable(
        kind="results",
        name=settings.table,
        spec=settings.spec,
        purpose=RESULTS_TABLE,
        access=settings.access,
        created_when_missing=settings.creates_table,
    )
    buckets = found.buckets
    if settings.objects.bucket is not None and settings.objects.access is not None:
        bucket = PlannedBucket(
            kind="results",
            name=settings.objects.bucket,
            prefix=settings.objects.prefix,
            access=settings.objects.access,
            longest_life_seconds=longest_result_seconds,
        )
        buckets = (*buckets, bucket)
    return replace(found, tables=(table, *found.tables), buckets=buckets)
