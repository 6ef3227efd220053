"""The query of the result URL and ``result_backend_transport_options``, parsed once."""

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Any

from pydantic import BeforeValidator
from pydantic.dataclasses import dataclass

from celery_aws.config.access import AccessOptions
from celery_aws.config.fields import (
    BucketText,
    Flag,
    HttpUrl,
    KeyPrefix,
    KmsKey,
    Seconds,
    TableNameText,
    TextMap,
    TtlSeconds,
    mapping,
    whole_number,
)
from celery_aws.config.parsing import FORBID_EXTRA, Allowed, parse_options

WHERE = "result_backend"

#: Keys of ``result_backend_transport_options`` that Celery itself reads
#: (celery/backends/base.py: the prefix of every key).
CELERY_KEYS = frozenset({"global_keyprefix"})


@dataclass(frozen=True, kw_only=True, config=FORBID_EXTRA)
class RetryOptions:
    """``retry_policy``, by kombu's names and with the defaults of Celery's backends.

    Attributes:
        max_retries: tries after the first; None is no end.
        interval_start: seconds before the first retry.
        interval_step: seconds by which each wait is longer than the one before.
        interval_max: longest wait.
        timeout: seconds since the first try after which no other is begun.
    """

    max_retries: whole_number(0, None, "retries") | None = 20  # type: ignore[valid-type]
    interval_start: Seconds = 0.0
    interval_step: Seconds = 1.0
    interval_max: Seconds = 1.0
    timeout: Seconds | None = None


RetryPolicyField = Annotated[
    RetryOptions,
    BeforeValidator(mapping),
    Allowed("a mapping such as {'max_retries': 20, 'interval_max': 1, 'timeout': 30}"),
]


@dataclass(frozen=True, kw_only=True, config=FORBID_EXTRA)
class ResultOptions(AccessOptions):
    """Everything that the result URL's query can say beside :class:`AccessOptions`.

    Attributes:
        table: name of the results table.
        ttl_seconds: life of a result; default: Celery's ``result_expires``; -1 is for ever.
        create_table: create the table when the first result finds none.
        stock_chords: begin chords as Celery's own DynamoDB backend does, so that its workers can
            finish them; for the time in which workers with both take from one queue.
        read: read capacity units of a table that is created; default: on demand.
        write: write capacity units of a table that is created; default: on demand.
        point_in_time_recovery: let a table that is created be restored to any second of the last
            35 days.
        kms_key: KMS key of a table that is created. Default: a key that AWS owns, which costs
            nothing; ``alias/aws/dynamodb`` is AWS's managed key in the account.
        table_tags: tags of a table that is created.
        deletion_protection: refuse DeleteTable for a table that is created.
        retry_policy: how requests are tried again that AWS throttles or does not answer, after
            three tries of botocore's. Default: results are stored as on Redis, with 20 retries
            at least a second apart but for the first, of which none begins after 30 s; reads
            are not tried again.
        large_result_bucket: S3 bucket for results that do not fit into an item of the table. A
            client reads and deletes in no other. Default: they are kept in several items.
        large_result_prefix: put in front of the keys in that bucket, such as ``results/``. A
            client reads and deletes under no other.
        large_result_endpoint_url: answers instead of S3's own endpoint. Default: the table's
            endpoint if that is not AWS's, then ``AWS_ENDPOINT_URL_S3``.
    """

    table: TableNameText = "celery"
    ttl_seconds: TtlSeconds | None = None
    create_table: Flag = True
    stock_chords: Flag = False
    read: whole_number(1, None, "capacity units") | None = None  # type: ignore[valid-type]
    write: whole_number(1, None, "capacity units") | None = None  # type: ignore[valid-type]
    point_in_time_recovery: Flag = False
    kms_key: KmsKey | None = None
    table_tags: TextMap = field(default_factory=dict)
    deletion_protection: Flag = False
    retry_policy: RetryPolicyField | None = None
    large_result_bucket: BucketText | None = None
    large_result_prefix: KeyPrefix = ""
    large_result_endpoint_url: HttpUrl | None = None


def parse_result_options(raw: Mapping[str, Any], *, where: str = WHERE) -> ResultOptions:
    """Parse the options of the results table.

    Args:
        raw: the URL's query, over ``result_backend_transport_options``, with ``table``.
        where: the setting's name, for the error.

    Raises:
        ConfigurationError: an unknown key, a wrong type or a value out of range.
    """
    ours = {key: value for key, value in raw.items() if key not in CELERY_KEYS}
    return parse_options(ResultOptions, ours, where=where)
