"""The plan as values: what is there, what shall be, and what becomes of it."""

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum

from celery_aws.aws.access import Access
from celery_aws.core.queue_plan import PlannedQueue
from celery_aws.deployment import PlannedTable
from celery_aws.names import BucketName
from celery_aws.provision.bucket_rules import BucketRule
from celery_aws.provision.found import FoundBucket, FoundQueue, FoundTable


class Verdict(Enum):
    """What becomes of a queue, table or bucket."""

    CREATE = "create"
    CHANGE = "change"
    LEAVE = "leave"
    #: It is not as it shall be, and AWS cannot change it, or it is not ours to change.
    CONFLICT = "conflict"


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One thing that is not as it shall be.

    Attributes:
        name: AWS's, such as ``VisibilityTimeout``, or ``tag team``.
        found: for people; None if there is nothing.
        wanted: for people.
    """

    name: str
    found: str | None
    wanted: str


@dataclass(frozen=True, kw_only=True)
class Step:
    """What becomes of one queue, table or bucket.

    Attributes:
        name: AWS's.
        region: where it is.
        purpose: what it is there for.
        exists: it is there.
        differences: what is set; of what is created, everything that is asked for.
        conflicts: what has to be mended by hand, each with its remedy.
        notes: what is worth knowing, and needs no doing.
        access: how it is reached.
    """

    name: str
    region: str
    purpose: str
    exists: bool
    differences: tuple[Difference, ...] = ()
    conflicts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    access: Access = field(repr=False)

    #: Of the AWS resource, as people say it.
    kind = ""

    @property
    def verdict(self) -> Verdict:
        """What becomes of it. What has a conflict is not touched at all."""
        if self.conflicts:
            return Verdict.CONFLICT
        if not self.exists:
            return Verdict.CREATE
        return Verdict.CHANGE if self.differences else Verdict.LEAVE

    @property
    def changed(self) -> frozenset[str]:
        """The names of what is different."""
        return frozenset(each.name for each in self.differences)


@dataclass(frozen=True, kw_only=True)
class QueueStep(Step):
    """What becomes of a queue."""

    planned: PlannedQueue
    found: FoundQueue | None = None
    #: What to set of ``planned.attributes`` and the policies, by name.
    attributes: dict[str, str] = field(default_factory=dict)

    kind = "queue"


@dataclass(frozen=True, kw_only=True)
class TableStep(Step):
    """What becomes of a table."""

    planned: PlannedTable
    found: FoundTable | None = None

    kind = "table"


@dataclass(frozen=True, kw_only=True)
class BucketStep(Step):
    """What becomes of a bucket, in which several things may be kept."""

    bucket: BucketName
    rules: tuple[BucketRule, ...] = ()
    found: FoundBucket | None = None

    kind = "bucket"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that becomes of a deployment.

    Attributes:
        steps: in the order in which they can be done.
        notes: on what is not in it.
    """

    steps: tuple[Step, ...]
    notes: tuple[str, ...] = ()

    @property
    def to_do(self) -> tuple[Step, ...]:
        """What is created or changed."""
        doing = (Verdict.CREATE, Verdict.CHANGE)
        return tuple(step for step in self.steps if step.verdict in doing)

    @property
    def conflicts(self) -> tuple[Step, ...]:
        """What somebody has to look after."""
        return tuple(step for step in self.steps if step.verdict is Verdict.CONFLICT)

    @property
    def is_empty(self) -> bool:
        """True if everything is as it shall be."""
        return not self.to_do and not self.conflicts

    def counts(self) -> dict[str, int]:
        """Return how many steps there are of each verdict."""
        counted = Counter(step.verdict for step in self.steps)
        return {verdict.value: counted[verdict] for verdict in Verdict}
