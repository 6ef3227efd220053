"""The query of the result URL and ``result_backend_transport_options``, parsed once."""

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Any

from pydantic import Field
from pydantic.dataclasses import dataclass

from celery_aws.config.fields import (
    AnyMap,
    Flag,
    HttpUrl,
    RoleArn,
    StsDuration,
    Text,
    TtlSeconds,
    whole_number,
)
from celery_aws.config.parsing import FORBID_EXTRA, Allowed, parse_options
from celery_aws.limits import (
    DYNAMODB_TABLE_NAME_CHARACTERS_MAX,
    DYNAMODB_TABLE_NAME_CHARACTERS_MIN,
)

WHERE = "result_backend"

#: Keys of ``result_backend_transport_options`` that Celery itself reads
#: (celery/backends/base.py: its retry loop, and the prefix of every key).
CELERY_KEYS = frozenset({"global_keyprefix", "retry_policy"})

TableNameText = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9_.-]+$",
        min_length=DYNAMODB_TABLE_NAME_CHARACTERS_MIN,
        max_length=DYNAMODB_TABLE_NAME_CHARACTERS_MAX,
    ),
    Allowed("3 to 255 letters, digits, '-', '_' and '.' (a DynamoDB table name)"),
]


@dataclass(frozen=True, kw_only=True, config=FORBID_EXTRA)
class ResultOptions:
    """Everything that the result URL's query can say, parsed and checked.

    Attributes:
        table: name of the results table.
        region: AWS region; default: the URL's, then ``AWS_REGION``, then boto3's chain.
        endpoint_url: answers instead of AWS's own endpoint; default: the URL's host.
        is_secure: https or http for the URL's host; default: by the host.
        client_config: keywords of botocore's ``Config``.
        sts_role_arn: role to assume; its session is renewed by itself.
        sts_token_timeout: seconds of one session of that role.
        sts_token_buffer_time: seconds before its end at which a session is renewed.
        session_token: of temporary credentials in the URL.
        ttl_seconds: life of a result; default: Celery's ``result_expires``; -1 is for ever.
        create_table: create the table when the first result finds none.
        read: read capacity units of a table that is created; default: on demand.
        write: write capacity units of a table that is created; default: on demand.
    """

    table: TableNameText = "celery"
    region: Text | None = None
    endpoint_url: HttpUrl | None = None
    is_secure: Flag | None = None
    client_config: AnyMap = field(default_factory=dict, metadata={"spelling": "client-config"})
    sts_role_arn: RoleArn | None = None
    sts_token_timeout: StsDuration = 900
    sts_token_buffer_time: whole_number(0, None, "seconds") = 0  # type: ignore[valid-type]
    session_token: str | None = field(default=None, repr=False)
    ttl_seconds: TtlSeconds | None = None
    create_table: Flag = True
    read: whole_number(1, None, "capacity units") | None = None  # type: ignore[valid-type]
    write: whole_number(1, None, "capacity units") | None = None  # type: ignore[valid-type]


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
