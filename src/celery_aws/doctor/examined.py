"""Queues, tables, buckets and connections as they are, beside what they are planned to be."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from celery_aws.aws.access import Access
from celery_aws.aws.greeting import ServiceName
from celery_aws.aws.key_examination import KeyState
from celery_aws.aws.table_administration import TableDetails
from celery_aws.aws.table_schema import TtlDescription
from celery_aws.core.lifecycle_rules import LifecycleRule
from celery_aws.core.queue_plan import PlannedQueue
from celery_aws.deployment import PlannedBucket, PlannedTable
from celery_aws.doctor.look import Look
from celery_aws.errors import CeleryAwsError
from celery_aws.names import QueueArn, QueueName, QueueUrl

#: What GetQueueAttributes returns.
Attributes: TypeAlias = Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Connection:
    """A service of AWS that the deployment uses.

    Attributes:
        service: ``sqs`` or ``dynamodb``.
        purpose: as in "the broker".
        access: where it is, and who asks.
        reached: how far this machine's clock is ahead of the service's, in seconds (None if it
            did not say); an error if there was no answer.
        refusal: what it answered if it knows not who asks.
    """

    service: ServiceName
    purpose: str
    access: Access
    reached: Look[float | None]
    refusal: CeleryAwsError | None = None

    @property
    def usable(self) -> bool:
        """True if other questions may be answered."""
        return self.reached.error is None and self.refusal is None


@dataclass(frozen=True, kw_only=True)
class ExaminedQueue:
    """A queue as it is, beside what it is planned to be.

    Attributes:
        planned: what the app needs.
        access: where it was looked for, and who asked.
        url: where it is; None if that is not known.
        attributes: of the queue; an error if there is none, or it may not be seen.
        dead_letters: where its redrive policy points; None if it has none.
        key: of KMS, that its messages are encrypted with; nothing if it is AWS's.
    """

    planned: PlannedQueue
    access: Access
    url: QueueUrl | None = None
    attributes: Look[Attributes] = field(default_factory=Look)
    dead_letters: "DeadLetterTarget | None" = None
    key: Look[KeyState] = field(default_factory=Look)

    @property
    def name(self) -> QueueName:
        """Its name on AWS."""
        return self.planned.name

    @property
    def region(self) -> str:
        """Where it was looked for."""
        return self.access.region

    @property
    def what(self) -> str:
        """How a finding speaks of it."""
        return f"queue {self.name}"

    def number(self, attribute: str) -> int | None:
        """Return an attribute that is a number; None if it is not known."""
        return _number(self.attributes.answer, attribute)


@dataclass(frozen=True, kw_only=True)
class DeadLetterTarget:
    """Where a redrive policy points.

    Attributes:
        arn: as the policy has it.
        max_receive_count: receives before SQS moves a message.
        attributes: of the queue there.
    """

    arn: QueueArn
    max_receive_count: int
    attributes: Look[Attributes]

    @property
    def what(self) -> str:
        """How a finding speaks of it."""
        return f"queue {self.arn.rpartition(':')[2]}"

    def number(self, attribute: str) -> int | None:
        """Return an attribute that is a number; None if it is not known."""
        return _number(self.attributes.answer, attribute)


@dataclass(frozen=True, kw_only=True)
class ExaminedTable:
    """A table as it is, beside what it is planned to be.

    Attributes:
        planned: what the app needs.
        details: of the table; an error if there is none, or it may not be seen.
        expiry: of its items.
        recovery: whether it can be restored to any second.
    """

    planned: PlannedTable
    details: Look[TableDetails] = field(default_factory=Look)
    expiry: Look[TtlDescription] = field(default_factory=Look)
    recovery: Look[bool] = field(default_factory=Look)

    @property
    def what(self) -> str:
        """How a finding speaks of it."""
        return f"{self.planned.kind} table {self.planned.name}"


@dataclass(frozen=True, kw_only=True)
class ExaminedBucket:
    """A bucket as it is.

    Attributes:
        planned: what the app needs.
        region: where it is; an error if there is none.
        public_access_blocked: whether S3 refuses to make anything in it public.
        policy: its bucket policy as JSON, or an empty text.
        rules: of its lifecycle.
    """

    planned: PlannedBucket
    region: Look[str] = field(default_factory=Look)
    public_access_blocked: Look[bool] = field(default_factory=Look)
    policy: Look[str] = field(default_factory=Look)
    rules: Look[tuple[LifecycleRule, ...]] = field(default_factory=Look)

    @property
    def what(self) -> str:
        """How a finding speaks of it."""
        return f"bucket {self.planned.name}"


class Outcome(Enum):
    """Whether AWS lets something be done."""

    ALLOWED = "allowed"
    DENIED = "denied"
    #: It could not be tried, or the answer does not tell.
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """An action that the role needs, and whether it is allowed.

    Attributes:
        action: as IAM has it, such as ``sqs:SendMessage``.
        resource: what it is tried on, as a finding speaks of it.
        outcome: of the attempt.
        reason: what AWS said, if it is denied.
    """

    action: str
    resource: str
    outcome: Outcome
    reason: str = ""


def _number(attributes: Attributes | None, name: str) -> int | None:
    text = (attributes or {}).get(name, "")
    return int(text) if text.isdecimal() else None
