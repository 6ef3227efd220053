"""How old the oldest message of a queue is: only CloudWatch knows, about a minute late.

Facts: GetMetricStatistics in the CloudWatch API reference; "Available CloudWatch metrics for Amazon
SQS" in the SQS developer guide (a queue that is not used for six hours has no metrics until it is
again). GetMetricStatistics and not GetMetricData, for the first million of its requests a month are
free, and of GetMetricData none.
"""

from datetime import timedelta
from typing import Protocol

from celery_aws.aws.access import Access, beside
from celery_aws.aws.clients import client_for
from celery_aws.aws.errors import translated
from celery_aws.clock import Clock
from celery_aws.limits import CLOUDWATCH_SQS_SECONDS
from celery_aws.names import QueueName

#: How far back the latest value may be.
_BACK = timedelta(minutes=10)


class QueueAgeService(Protocol):
    """What is asked of CloudWatch. Each method is one request, and raises :class:`AwsError`."""

    def oldest_seconds(self, queue: QueueName) -> float | None:
        """Return the age of a queue's oldest message; None if CloudWatch knows none."""


class CloudWatchQueueAges:
    """:class:`QueueAgeService` on boto3. Needs ``cloudwatch:GetMetricStatistics`` on ``*``.

    Args:
        access: of the broker.
        clock: says which time is the latest.
    """

    def __init__(self, access: Access, clock: Clock) -> None:
        self.access = beside(access)
        self._clock = clock

    def oldest_seconds(self, queue: QueueName) -> float | None:
        """Return the age of a queue's oldest message (GetMetricStatistics)."""
        now = self._clock.now()
        with translated("cloudwatch", "GetMetricStatistics", queue):
            answer = client_for("cloudwatch", self.access).get_metric_statistics(
                Namespace="AWS/SQS",
                MetricName="ApproximateAgeOfOldestMessage",
                Dimensions=[{"Name": "QueueName", "Value": queue}],
                StartTime=now - _BACK,
                EndTime=now,
                Period=CLOUDWATCH_SQS_SECONDS,
                Statistics=["Maximum"],
            )
            points = answer.get("Datapoints", [])
        if not points:
            return None
        return float(max(points, key=lambda point: point["Timestamp"])["Maximum"])
