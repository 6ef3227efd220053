"""From ``result_backend`` and the settings around it to one frozen value.

Four places may say something: the URL's host and path, its query,
``result_backend_transport_options``, and Celery's own ``dynamodb_endpoint_url`` (which stock
reads too). They are stronger in this order, the endpoint aside: what is called an endpoint
URL wins over the host of the result URL. No I/O beyond boto3's look into its profile.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from celery_aws.aws.access import Access, access_of
from celery_aws.aws.table_schema import TableSpec
from celery_aws.config.results import WHERE, ResultOptions, RetryOptions, parse_result_options
from celery_aws.config.urls import ResultUrl, parse_result_url
from celery_aws.core.retry_policy import RetryPolicy
from celery_aws.errors import ConfigurationError
from celery_aws.names import TableName
from celery_aws.results.items import table_spec
from celery_aws.results.result_objects import ResultObjects, result_objects

TRANSPORT_OPTIONS = "result_backend_transport_options"

_ARN_REGION_PART = 3

#: What ``as_uri`` shows, whichever of the two schemes was written.
SCHEME = "aws+dynamodb"


@dataclass(frozen=True, kw_only=True)
class ResultSettings:
    """Where results are kept and what may be done there."""

    access: Access
    table: TableName
    spec: TableSpec
    creates_table: bool
    stock_chords: bool
    #: None is what is right for each kind of request.
    retry_policy: RetryPolicy | None
    #: Life of a result by the URL; None leaves it to Celery's ``result_expires``.
    ttl_seconds: int | None
    #: The URL for people to see, region and table filled in.
    url: ResultUrl
    #: In S3, of large results.
    objects: ResultObjects


def result_settings(url: str | None, conf: Mapping[str, Any]) -> ResultSettings:
    """Return the settings of the results table.

    Args:
        url: as Celery hands it to a backend, ``aws+`` cut off; None takes ``result_backend``
            of ``conf`` if that is a URL, else defaults.
        conf: the app's configuration.

    Raises:
        ConfigurationError: a wrong scheme, half a key pair, an unknown or ill-typed option,
            no region.
    """
    parsed = parse_result_url(_own_url(url, conf))
    options = _options(parsed, conf.get(TRANSPORT_OPTIONS) or {})
    access = _access(parsed, options, conf.get("dynamodb_endpoint_url"))
    _check_region(options.table, access)
    return ResultSettings(
        access=access,
        table=TableName(options.table),
        spec=_spec(options),
        creates_table=options.create_table,
        stock_chords=options.stock_chords,
        retry_policy=None if options.retry_policy is None else _policy(options.retry_policy),
        ttl_seconds=options.ttl_seconds,
        url=_shown_url(parsed, access.region, options.table),
        objects=result_objects(options, access),
    )


def _spec(options: ResultOptions) -> TableSpec:
    return dataclasses.replace(
        table_spec(read_capacity=options.read, write_capacity=options.write),
        point_in_time_recovery=options.point_in_time_recovery,
        kms_key=options.kms_key,
        tags=options.table_tags,
        deletion_protection=options.deletion_protection,
    )


def _policy(options: RetryOptions) -> RetryPolicy:
    return RetryPolicy(
        max_retries=options.max_retries,
        start_seconds=options.interval_start,
        step_seconds=options.interval_step,
        most_seconds=options.interval_max,
        timeout_seconds=options.timeout,
    )


def _own_url(url: str | None, conf: Mapping[str, Any]) -> str:
    # No URL: the class was named instead, or a pickled backend was read. The URL does not
    # travel in a pickle, as it may hold a secret.
    candidate = conf.get("result_backend") if url is None else url
    if isinstance(candidate, str) and "://" in candidate:
        return candidate
    return f"{SCHEME}://"


def _shown_url(url: ResultUrl, region: str, table: str) -> ResultUrl:
    # With what other settings have said: the worker's banner shows where results go.
    shown = region if url.endpoint is None else url.region
    return dataclasses.replace(url, scheme=SCHEME, region=shown, table=table)


def _options(url: ResultUrl, transport_options: Mapping[str, Any]) -> ResultOptions:
    # On their own first, so that an error names the setting that it is in.
    parse_result_options(transport_options, where=TRANSPORT_OPTIONS)
    named = {"region": url.region, "table": url.table}
    given = {key: value for key, value in named.items() if value is not None}
    return parse_result_options({**transport_options, **url.query, **given})


def _check_region(table: str, access: Access) -> None:
    # AWS would say that there is no such table.
    region = table.split(":")[_ARN_REGION_PART] if table.startswith("arn:") else access.region
    if access.endpoint_url is None and region != access.region:
        raise ConfigurationError(
            f"{WHERE}: the table {table!r} is in {region}, and the region is {access.region!r}. "
            "DynamoDB answers for tables of its own region only: name that one",
            where=WHERE,
            key="region",
        )


def _access(url: ResultUrl, options: ResultOptions, celery_endpoint_url: str | None) -> Access:
    if options.endpoint_url is None and celery_endpoint_url is not None:
        options = dataclasses.replace(options, endpoint_url=celery_endpoint_url)
    return access_of(options, credentials=url.credentials, endpoint=url.endpoint, where=WHERE)
