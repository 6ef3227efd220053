"""The types of option fields: each says to pydantic and to people what it takes."""

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator

from celery_aws.config.parsing import Allowed
from celery_aws.limits import (
    DYNAMODB_TABLE_NAME_CHARACTERS_MAX,
    DYNAMODB_TABLE_NAME_CHARACTERS_MIN,
    S3_KEY_BYTES,
    SQS_MAX_RECEIVE_COUNT_MAX,
    SQS_VISIBILITY_TIMEOUT_SECONDS_MAX,
    SQS_WAIT_TIME_SECONDS_MAX,
    STS_DURATION_SECONDS_MAX,
    STS_DURATION_SECONDS_MIN,
)

_KEY_PREFIX = re.compile(r"[A-Za-z0-9/_.-]*")

_TABLE_NAME = re.compile(
    # In another account a table has no other name than its ARN.
    r"(?:arn:[a-z-]+:dynamodb:[a-z0-9-]+:[0-9]{12}:table/)?"
    rf"[A-Za-z0-9_.-]{{{DYNAMODB_TABLE_NAME_CHARACTERS_MIN},{DYNAMODB_TABLE_NAME_CHARACTERS_MAX}}}"
)

#: How the environment spells that something is not wanted.
_OFF = ("false", "off", "none", "no", "0")

#: What is put behind a prefix: a UUID.
_KEY_CHARACTERS = 36


def _not_bool(value: Any) -> Any:
    if isinstance(value, bool):
        # pydantic takes a ValueError for a finding and a TypeError for a bug.
        raise ValueError("a number is wanted, not true or false")  # noqa: TRY004
    return value


def _whole(value: Any) -> Any:
    # "3600.0" is what some environments make of 3600; stock takes it, so it is taken here.
    _not_bool(value)
    if isinstance(value, str):
        number = float(value)
        return int(number) if number.is_integer() else number
    return value


def _key_prefix(value: str) -> str:
    wrong = value.startswith(("/", ".")) or ".." in value or not _KEY_PREFIX.fullmatch(value)
    if wrong or len(value) > S3_KEY_BYTES - _KEY_CHARACTERS:
        raise ValueError("no prefix of keys")
    return value


def mapping(value: Any) -> Any:
    """Return ``value``, read as JSON if it is text: that is how the environment holds it."""
    return json.loads(value) if isinstance(value, str) else value


def _table_name_or_off(value: Any) -> Any:
    if value is False or (isinstance(value, str) and value.lower() in _OFF):
        return False
    if not isinstance(value, str) or not _TABLE_NAME.fullmatch(value):
        raise ValueError("no table name")
    return value


def _steps(steps: tuple[int, ...]) -> tuple[int, ...]:
    if steps and 0 not in steps:
        # Step 0 is the queue itself, where whoever knows nothing of priorities sends to.
        raise ValueError("0 is missing")
    return tuple(sorted(set(steps)))


def whole_number(minimum: int, maximum: int | None, unit: str) -> Any:
    """Return the type of a whole number of ``unit`` within a range, bounds included."""
    span = f"from {minimum} to {maximum}" if maximum is not None else f"of at least {minimum}"
    return Annotated[
        int,
        BeforeValidator(_whole),
        Field(ge=minimum, le=maximum),
        Allowed(f"a whole number {span} ({unit})"),
    ]


Flag = Annotated[bool, Allowed("true or false")]
Text = Annotated[str, Allowed("text")]
Seconds = Annotated[
    float,
    BeforeValidator(_not_bool),
    Field(ge=0, allow_inf_nan=False),
    Allowed("a number of at least 0 (seconds)"),
]
Dollars = Annotated[
    float,
    BeforeValidator(_not_bool),
    Field(ge=0, allow_inf_nan=False),
    Allowed("a number of at least 0 (dollars)"),
]
TextMap = Annotated[
    Mapping[str, Annotated[str, Field(coerce_numbers_to_str=True)]],
    BeforeValidator(mapping),
    Allowed("a mapping from text to text"),
]
AnyMap = Annotated[
    Mapping[str, Any], BeforeValidator(mapping), Allowed("a mapping from text to values")
]
HttpUrl = Annotated[
    str, Field(pattern=r"^https?://[^@/]+/?$"), Allowed("a URL such as http://localhost:4566")
]
BucketText = Annotated[
    str,
    Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"),
    Allowed("the name of an S3 bucket"),
]
KeyPrefix = Annotated[
    str,
    AfterValidator(_key_prefix),
    Allowed(
        f"up to {S3_KEY_BYTES - _KEY_CHARACTERS} characters of letters, digits, '/', '_', '-' and "
        "'.'; no '/' or '.' at the start, no '..'"
    ),
]
QueueUrlText = Annotated[
    str, Field(pattern=r"^https?://[^/]+/.+"), Allowed("the URL of an SQS queue")
]
RoleArn = Annotated[
    str, Field(pattern=r"^arn:[^:]+:iam::\d{12}:role/.+$"), Allowed("the ARN of an IAM role")
]
KmsKey = Annotated[
    str,
    Field(pattern=r"^(alias/[A-Za-z0-9/_-]+|arn:[^:]+:kms:.+|[A-Za-z0-9-]+)$"),
    Allowed("an alias (alias/...), the id or the ARN of a KMS key"),
]

_TABLE_NAME_WORDS = (
    "3 to 255 letters, digits, '-', '_' and '.' (a DynamoDB table name), or the ARN of a table"
)
TableNameText = Annotated[
    str, Field(pattern=f"^{_TABLE_NAME.pattern}$"), Allowed(_TABLE_NAME_WORDS)
]
# One type to pydantic, which would name the one of several that it tried last.
TableNameOrOff = Annotated[
    str | Literal[False],
    PlainValidator(_table_name_or_off),
    Allowed(f"{_TABLE_NAME_WORDS}; false for none"),
]

HighestPriority = Annotated[Literal[0, 9], BeforeValidator(_whole), Allowed("0 or 9")]
PrioritySteps = Annotated[
    tuple[Annotated[int, BeforeValidator(_whole), Field(ge=0, le=9)], ...],
    BeforeValidator(mapping),
    AfterValidator(_steps),
    Allowed("a list of whole numbers from 0 to 9, with 0, such as [0, 3, 6, 9]"),
]

VisibilityTimeout = whole_number(1, SQS_VISIBILITY_TIMEOUT_SECONDS_MAX, "seconds")
MaxReceiveCount = whole_number(0, SQS_MAX_RECEIVE_COUNT_MAX, "receives; 0 is off")
Bytes = whole_number(0, None, "bytes")
WaitTime = whole_number(0, SQS_WAIT_TIME_SECONDS_MAX, "seconds")
StsDuration = whole_number(STS_DURATION_SECONDS_MIN, STS_DURATION_SECONDS_MAX, "seconds")
TtlSeconds = whole_number(-1, None, "seconds; -1 is for ever")
LeaseSeconds = whole_number(2, 86_400, "seconds")
HeartbeatSeconds = whole_number(1, 3_600, "seconds")
EmfSeconds = Annotated[
    float,
    BeforeValidator(_not_bool),
    Field(ge=1, allow_inf_nan=False),
    Allowed("a number of at least 1 (seconds)"),
]
Port = whole_number(1, 65_535, "a TCP port")
