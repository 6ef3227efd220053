"""Where each price is in the AWS Price List: service, attributes, usage type, units.

Codes and attributes of AWS's own; usage types have the region's prefix in front (``APN1-``), which
is none in Virginia. What is excluded was found next to the wanted product: tables with infrequent
access, replicas, and the surcharges of extended support.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from celery_aws.core.prices import Unit

_MILLION: Final = 1_000_000.0
_THOUSAND: Final = 1_000.0

#: AWS's names of a unit, in lower case.
UNIT_NAMES: Final[Mapping[Unit, frozenset[str]]] = {
    Unit.REQUEST: frozenset(
        {"requests", "request", "api requests", "notifications", "invocations"}
    ),
    Unit.WRITE_UNIT: frozenset({"writerequestunits", "write request units"}),
    Unit.READ_UNIT: frozenset({"readrequestunits", "read request units"}),
    Unit.WRITE_CAPACITY_HOUR: frozenset({"writecapacityunit-hrs", "wcu-hrs"}),
    Unit.READ_CAPACITY_HOUR: frozenset({"readcapacityunit-hrs", "rcu-hrs"}),
    Unit.PROCESSING_UNIT: frozenset({"elasticacheprocessingunits", "ecpus", "ecpu"}),
    Unit.HOUR: frozenset({"hrs", "hours", "hour"}),
    Unit.GIGABYTE: frozenset({"gb", "gigabytes"}),
    Unit.GIGABYTE_HOUR: frozenset({"gb-hours", "gb-hrs", "gb-hour"}),
    Unit.GIGABYTE_MONTH: frozenset({"gb-mo", "gb-month"}),
    Unit.METRIC_MONTH: frozenset({"metrics", "metric"}),
    Unit.ALARM_MONTH: frozenset({"alarms", "alarm"}),
}


@dataclass(frozen=True, kw_only=True)
class Question:
    """Where one price is found.

    Attributes:
        key: of the price.
        unit: in which it has to be told.
        per: units that a price is shown for.
        service_code: AWS's.
        attributes: that AWS compares.
        usage: pattern of the usage type without the region's prefix; None is any.
    """

    key: str
    unit: Unit
    service_code: str
    attributes: Mapping[str, str]
    per: float = 1.0
    usage: str | None = None
    _pattern: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Ireland's prefix is the only one without a number; IA- is none of a region.
        pattern = re.compile(rf"(?:(?:[A-Z]{{2,4}}[0-9]|EU)-)?{self.usage or '.*'}")
        object.__setattr__(self, "_pattern", pattern)

    def wants(self, usage_type: str) -> bool:
        """Tell whether a product's usage type is the wanted one."""
        return self._pattern.fullmatch(usage_type) is not None


def questions() -> tuple[Question, ...]:
    """Return how to ask for every price that the Price List has."""
    return (*_queues(), *_tables(), *_buckets(), *_caches(), *_brokers(), *_databases(), *_others())


def _queues() -> Iterator[Question]:
    kinds = {
        "sqs.standard": "Standard",
        "sqs.fifo": "FIFO (first-in, first-out)",
        "sqs.fair": "Fair",
    }
    for key, kind in kinds.items():
        yield Question(
            key=key,
            unit=Unit.REQUEST,
            per=_MILLION,
            service_code="AWSQueueService",
            attributes={
                "productFamily": "API Request",
                "group": "SQS-APIRequest-Tier1",
                "queueType": kind,
            },
        )


def _tables() -> Iterator[Question]:
    for name, on_demand, capacity in (
        ("Write", Unit.WRITE_UNIT, Unit.WRITE_CAPACITY_HOUR),
        ("Read", Unit.READ_UNIT, Unit.READ_CAPACITY_HOUR),
    ):
        key, group = f"dynamodb.{name.lower()}", f"DDB-{name}Units"
        # Both have the same group: the family tells them apart.
        yield Question(
            key=key,
            unit=on_demand,
            per=_MILLION,
            service_code="AmazonDynamoDB",
            attributes={
                "productFamily": "Amazon DynamoDB PayPerRequest Throughput",
                "group": group,
            },
            usage=f"{name}RequestUnits",
        )
        yield Question(
            key=f"{key}_capacity",
            unit=capacity,
            service_code="AmazonDynamoDB",
            attributes={"productFamily": "Provisioned IOPS", "group": group},
            usage=f"{name}CapacityUnit-Hrs",
        )
    yield Question(
        key="dynamodb.storage",
        unit=Unit.GIGABYTE_MONTH,
        service_code="AmazonDynamoDB",
        attributes={"productFamily": "Database Storage"},
        usage="TimedStorage-ByteHrs",
    )


def _buckets() -> Iterator[Question]:
    for key, tier in (("s3.put", 1), ("s3.get", 2)):
        yield Question(
            key=key,
            unit=Unit.REQUEST,
            per=_THOUSAND,
            service_code="AmazonS3",
            attributes={"productFamily": "API Request", "group": f"S3-API-Tier{tier}"},
            usage=f"Requests-Tier{tier}",
        )
    yield Question(
        key="s3.storage",
        unit=Unit.GIGABYTE_MONTH,
        service_code="AmazonS3",
        attributes={"productFamily": "Storage", "volumeType": "Standard"},
        usage="TimedStorage-ByteHrs",
    )


def _caches() -> Iterator[Question]:
    small = ("t4g.micro", "t4g.small", "t4g.medium", "t3.micro", "t3.small", "t3.medium")
    sizes = (*small, "m7g.large", "r7g.large")
    for engine, name in (("valkey", "Valkey"), ("redis", "Redis")):
        for size in (f"cache.{size}" for size in sizes):
            yield Question(
                key=f"elasticache.{engine}.{size}",
                unit=Unit.HOUR,
                service_code="AmazonElastiCache",
                attributes={
                    "productFamily": "Cache Instance",
                    "instanceType": size,
                    "cacheEngine": name,
                    "locationType": "AWS Region",
                },
                # Not ExtendedSupportYr1_Yr2:NodeUsage and its like, which is a surcharge.
                usage=f"NodeUsage:{re.escape(size)}",
            )
        for part, unit, per, usage in (
            ("data", Unit.GIGABYTE_HOUR, 1.0, "CachedData"),
            ("ecpu", Unit.PROCESSING_UNIT, _MILLION, "ElastiCacheProcessingUnits"),
        ):
            yield Question(
                key=f"elasticache.serverless.{engine}.{part}",
                unit=unit,
                per=per,
                service_code="AmazonElastiCache",
                attributes={"productFamily": "ElastiCache Serverless", "cacheEngine": name},
                usage=f"{usage}:{name}",
            )


def _brokers() -> Iterator[Question]:
    for mode, option in (("single", "Single-AZ"), ("cluster", "Multi-AZ")):
        for size in ("mq.m7g.medium", "mq.m7g.large", "mq.m5.large"):
            yield Question(
                key=f"mq.rabbitmq.{mode}.{size}",
                unit=Unit.HOUR,
                service_code="AmazonMQ",
                attributes={
                    "productFamily": "Broker Instances",
                    "brokerEngine": "RabbitMQ",
                    "deploymentOption": option,
                    "operation": "CreateBroker",
                },
                usage=f".*{re.escape(size.removeprefix('mq.'))}.*",
            )
    yield Question(
        key="mq.rabbitmq.storage",
        unit=Unit.GIGABYTE_MONTH,
        service_code="AmazonMQ",
        attributes={"productFamily": "Broker Storage", "brokerEngine": "RabbitMQ"},
    )


def _databases() -> Iterator[Question]:
    for mode, option in (("single", "Single-AZ"), ("multi", "Multi-AZ")):
        for size in ("db.t4g.micro", "db.t3.micro"):
            yield Question(
                key=f"rds.postgresql.{mode}.{size}",
                unit=Unit.HOUR,
                service_code="AmazonRDS",
                attributes={
                    "productFamily": "Database Instance",
                    "instanceType": size,
                    "databaseEngine": "PostgreSQL",
                    "deploymentOption": option,
                },
                usage=rf"(?:InstanceUsage|Multi-AZUsage):{re.escape(size)}",
            )
        yield Question(
            key=f"rds.postgresql.storage.{mode}",
            unit=Unit.GIGABYTE_MONTH,
            service_code="AmazonRDS",
            attributes={
                "productFamily": "Database Storage",
                "volumeType": "General Purpose-GP3",
                "databaseEngine": "PostgreSQL",
                "deploymentOption": option,
            },
        )


def _others() -> Iterator[Question]:
    for key, unit, per, service_code, family, usage in _SIMPLE:
        attributes = {"productFamily": family} if family else {}
        yield Question(
            key=key,
            unit=unit,
            per=per,
            service_code=service_code,
            attributes=attributes,
            usage=usage,
        )
    yield Question(
        key="sns.publish",
        unit=Unit.REQUEST,
        per=_MILLION,
        service_code="AmazonSNS",
        attributes={"productFamily": "API Request", "group": "SNS-Requests-Tier1"},
    )
    yield Question(
        key="memorydb.redis.db.t4g.small",
        unit=Unit.HOUR,
        service_code="AmazonMemoryDB",
        attributes={"instanceType": "db.t4g.small"},
        usage=r"NodeUsage:db\.t4g\.small",
    )


_SIMPLE: Final = (
    ("cloudwatch.metric", Unit.METRIC_MONTH, 1.0, "AmazonCloudWatch", "Metric",
     "CW:MetricMonitorUsage"),
    ("cloudwatch.alarm", Unit.ALARM_MONTH, 1.0, "AmazonCloudWatch", "Alarm",
     "CW:AlarmMonitorUsage"),
    ("cloudwatch.request", Unit.REQUEST, _THOUSAND, "AmazonCloudWatch", "API Request",
     "CW:Requests"),
    ("vpc.endpoint.hour", Unit.HOUR, 1.0, "AmazonVPC", "VpcEndpoint", "VpcEndpoint-Hours"),
    ("vpc.endpoint.data", Unit.GIGABYTE, 1.0, "AmazonVPC", "VpcEndpoint", "VpcEndpoint-Bytes"),
    ("nat.hour", Unit.HOUR, 1.0, "AmazonEC2", "NAT Gateway", "NatGateway-Hours"),
    ("nat.data", Unit.GIGABYTE, 1.0, "AmazonEC2", "NAT Gateway", "NatGateway-Bytes"),
    ("scheduler.invocation", Unit.REQUEST, _MILLION, "AWSEvents", "EventBridge",
     ".*ScheduledInvocation.*"),
)  # fmt: skip
