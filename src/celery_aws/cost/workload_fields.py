"""The types of a workload's facts: each says to pydantic and to people what it takes."""

from enum import Enum
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field

from celery_aws.config.fields import whole_number
from celery_aws.config.parsing import Allowed
from celery_aws.core.prices import MONTH_HOURS

#: The most of anything: more than that is a slip of somebody's pen.
MOST_AMOUNT: Final = 1e15


class NetworkPath(Enum):
    """How workers without public addresses reach SQS; DynamoDB's and S3's gateways are free."""

    #: They have public addresses.
    PUBLIC = "public"
    #: By a NAT gateway that is there anyway: its bytes are paid.
    SHARED_NAT = "shared-nat"
    #: By a NAT gateway in each zone, for this alone.
    OWN_NAT = "own-nat"
    #: By an interface endpoint in each zone.
    ENDPOINTS = "endpoints"


def _number(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("a number is wanted, not true or false")  # noqa: TRY004
    # A file of YAML has 1e6 for text.
    return value.replace("_", "") if isinstance(value, str) else value


def _amount(what: str) -> Any:
    return Annotated[
        float,
        BeforeValidator(_number),
        Field(ge=0, le=MOST_AMOUNT, allow_inf_nan=False),
        Allowed(f"a number of at least 0 ({what})"),
    ]


Tasks = _amount("tasks a month")
Bytes = _amount("bytes")
Reads = _amount("reads")
Days = _amount("days")
Seconds = _amount("seconds")
Milliseconds = _amount("milliseconds")
Workers = _amount("workers")
Queues = _amount("queues")
Monitors = _amount("monitors")
Priorities = whole_number(1, 255, "priorities")
Zones = whole_number(1, 6, "availability zones")
Share = Annotated[
    float, BeforeValidator(_number), Field(ge=0, le=1), Allowed("a share, from 0 to 1")
]
Hours = Annotated[
    float,
    BeforeValidator(_number),
    Field(ge=0, le=MONTH_HOURS),
    Allowed(f"hours of a month, from 0 to {MONTH_HOURS:g}"),
]
Factor = Annotated[
    float,
    BeforeValidator(_number),
    Field(ge=1, le=1e6),
    Allowed("a number of at least 1"),
]
NetworkPathText = Annotated[
    NetworkPath, Allowed(f"one of {', '.join(each.value for each in NetworkPath)}")
]
