"""What AWS has of a deployment, as values: the plan looks at nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from celery_aws.aws.bucket_administration import Lifecycle
from celery_aws.aws.table_administration import TableDetails
from celery_aws.aws.table_schema import TtlDescription
from celery_aws.names import BucketName, QueueArn, QueueName, QueueUrl


@dataclass(frozen=True, kw_only=True)
class FoundQueue:
    """A queue.

    Attributes:
        url: where it is.
        attributes: all of them, as GetQueueAttributes has them.
        tags: its tags.
        refusal: why it could not be looked at; None if it was. Only of predefined queues.
    """

    url: QueueUrl
    attributes: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    refusal: str | None = None

    @property
    def arn(self) -> QueueArn:
        """Its ARN; empty if it could not be looked at."""
        return QueueArn(self.attributes.get("QueueArn", ""))


@dataclass(frozen=True, kw_only=True)
class FoundTable:
    """A table.

    Attributes:
        details: what it is; None if it could not be looked at, for ``refusal``.
        ttl: by what its items expire.
        recovery: point-in-time recovery is on.
        tags: its tags.
        kms_names: other names of the key that encrypts it than its ARN.
        refusal: why it could not be looked at. Only of a table of another account.
    """

    details: TableDetails | None
    ttl: TtlDescription = field(default_factory=lambda: TtlDescription(status="DISABLED"))
    recovery: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)
    kms_names: frozenset[str] = frozenset()
    refusal: str | None = None


@dataclass(frozen=True, kw_only=True)
class FoundBucket:
    """A bucket.

    Attributes:
        region: where it is.
        lifecycle: its rules.
        has_objects: there is something in it.
        public_access_blocked: all of S3 Block Public Access is on; looked at if :attr:`is_new`.
        encrypted: objects are encrypted by default; likewise.
    """

    region: str
    lifecycle: Lifecycle = field(default_factory=Lifecycle)
    has_objects: bool = False
    public_access_blocked: bool = True
    encrypted: bool = True

    @property
    def is_new(self) -> bool:
        """True if nobody uses it yet: nothing is in it, and it has no lifecycle rules."""
        return not self.has_objects and not self.lifecycle.rules


@dataclass(frozen=True, kw_only=True)
class Found:
    """What there is of a deployment; what is missing is not in it.

    Attributes:
        queues: by their names on AWS.
        tables: by what is kept in them.
        buckets: by their names.
    """

    queues: Mapping[QueueName, FoundQueue] = field(default_factory=dict)
    tables: Mapping[Literal["results", "coordination"], FoundTable] = field(default_factory=dict)
    buckets: Mapping[BucketName, FoundBucket] = field(default_factory=dict)
