"""What is known of a deployment when it is examined: everything that a check may look at.

Frozen values, without a way to ask for more: a check is a function of them. What could not be
learned is there too, as the error that came instead.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Generic, Literal, TypeAlias, TypeVar

from celery_aws.aws.access import Access
from celery_aws.aws.bucket_examination import LifecycleRule
from celery_aws.aws.greeting import ServiceName
from celery_aws.aws.identity import Identity
from celery_aws.aws.key_examination import KeyState
from celery_aws.aws.table_examination import TableDetails
from celery_aws.aws.table_schema import TtlDescription
from celery_aws.core.parked_tasks import ParkedTask
from celery_aws.core.queue_plan import CeleryQueue, PlannedQueue
from celery_aws.core.routing import Binding
from celery_aws.deployment import Deployment, PlannedBucket, PlannedTable
from celery_aws.errors import CeleryAwsError, NotFoundError
from celery_aws.names import InboxId, QueueArn, QueueName, QueueUrl

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

#: Who runs: what the processes of that role have to be allowed.
Role: TypeAlias = Literal["worker", "producer", "monitor"]

#: What GetQueueAttributes returns.
Attributes: TypeAlias = Mapping[str, str]


@dataclass(frozen=True)
class Look(Generic[T_co]):
    """What a question brought: an answer, or an error; neither if it was not asked."""

    answer: T_co | None = None
    error: CeleryAwsError | None = None

    @property
    def missing(self) -> bool:
        """True if AWS says that it does not exist."""
        return isinstance(self.error, NotFoundError)


def look(ask: Callable[[], T]) -> Look[T]:
    """Ask, and return what came."""
    try:
        return Look(answer=ask())
    except CeleryAwsError as error:
        return Look(error=error)


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


@dataclass(frozen=True, kw_only=True)
class ExaminedBinding:
    """A binding of a queue on SQS, and whether that queue exists (None if it is not known)."""

    binding: Binding
    queue: QueueName
    exists: bool | None


@dataclass(frozen=True, kw_only=True)
class Shared:
    """What the processes of the deployment say of themselves in the coordination table.

    Attributes:
        inboxes: in the registry.
        bindings: of queues on SQS.
        workers: names of the nodes that are bound to the exchange of remote control.
        parked: the first of the parked tasks, or nothing if there is none.
    """

    inboxes: Look[frozenset[InboxId]] = field(default_factory=Look)
    bindings: Look[tuple[ExaminedBinding, ...]] = field(default_factory=Look)
    workers: Look[frozenset[str]] = field(default_factory=Look)
    parked: Look[tuple[ParkedTask, ...]] = field(default_factory=Look)


@dataclass(frozen=True, kw_only=True)
class TaskFacts:
    """A task of the app, as far as it matters here."""

    name: str
    acks_late: bool = False
    reject_on_worker_lost: bool = False
    retry_on_worker_lost: bool = False
    priority: int | None = None
    time_limit_seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class CeleryFacts:
    """An app's configuration, as far as it matters here. No request is needed for it.

    Attributes:
        settings: Celery's, by their lower-case names: those of
            :data:`celery_aws.doctor.gathering.celery_app.SETTINGS`.
        tasks: of the app, without Celery's own.
        queues: by Celery's names, as it declares them.
        priorities_in: where a priority is given to tasks, beside themselves.
        options_without_effect: names of options of the broker that do nothing.
        result_life_seconds: of results that are kept there; None is for ever.
        stock_chords: whether chords are begun as Celery's own backend does.
        chords_poll: whether the result backend lets a task look again and again whether a chord's
            header is done.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    tasks: tuple[TaskFacts, ...] = ()
    queues: tuple[CeleryQueue, ...] = ()
    priorities_in: tuple[str, ...] = ()
    options_without_effect: tuple[str, ...] = ()
    result_life_seconds: int | None = None
    stock_chords: bool = False
    chords_poll: bool = False


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Everything that was learned.

    Attributes:
        role: of the processes that the credentials are for.
        deployment: what the app needs.
        celery: the app's configuration.
        now_epoch_seconds: when it was learned.
        connections: to the services that the deployment uses.
        identity: who asks, as AWS sees it.
        queues: that the app needs, and are not dead-letter queues.
        tables: that the app needs.
        buckets: that the app needs.
        attempts: at what the role needs.
        shared: what is in the coordination table.
        queue_names: of all queues with the prefix, on AWS.
    """

    role: Role
    deployment: Deployment
    celery: CeleryFacts
    now_epoch_seconds: float = 0.0
    connections: tuple[Connection, ...] = ()
    identity: Look[Identity] = field(default_factory=Look)
    queues: tuple[ExaminedQueue, ...] = ()
    tables: tuple[ExaminedTable, ...] = ()
    buckets: tuple[ExaminedBucket, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    shared: Shared = field(default_factory=Shared)
    queue_names: Look[tuple[QueueName, ...]] = field(default_factory=Look)

    def dead_letter_targets(self) -> Iterator[DeadLetterTarget]:
        """Yield each dead-letter queue once."""
        found = {
            each.dead_letters.arn: each.dead_letters for each in self.queues if each.dead_letters
        }
        yield from found.values()

    def table(self, kind: Literal["results", "coordination"]) -> ExaminedTable | None:
        """Return one of the tables, or None."""
        return next((table for table in self.tables if table.planned.kind == kind), None)


def _number(attributes: Attributes | None, name: str) -> int | None:
    text = (attributes or {}).get(name, "")
    return int(text) if text.isdecimal() else None
