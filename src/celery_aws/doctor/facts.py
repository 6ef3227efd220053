"""What is known of a deployment when it is examined: everything that a check may look at.

Frozen values, without a way to ask for more: a check is a function of them. What could not be
learned is there too, as the error that came instead.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from celery_aws.aws.identity import Identity
from celery_aws.core.parked_tasks import ParkedTask
from celery_aws.core.queue_plan import CeleryQueue
from celery_aws.core.routing import Binding
from celery_aws.cost.spending import Spending
from celery_aws.deployment import Deployment
from celery_aws.doctor.examined import (
    Attempt,
    Connection,
    DeadLetterTarget,
    ExaminedBucket,
    ExaminedQueue,
    ExaminedTable,
)
from celery_aws.doctor.look import Look
from celery_aws.names import InboxId, QueueName

#: Who runs: what the processes of that role have to be allowed.
Role: TypeAlias = Literal["worker", "producer", "monitor", "migrator"]


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
        spending: of this month, if there is a budget.
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
    spending: Look[Spending] = field(default_factory=Look)

    def dead_letter_targets(self) -> Iterator[DeadLetterTarget]:
        """Yield each dead-letter queue once."""
        targets = [each.dead_letters for each in self.queues if each.dead_letters is not None]
        yield from {target.arn: target for target in targets}.values()

    def table(self, kind: Literal["results", "coordination"]) -> ExaminedTable | None:
        """Return one of the tables, or None."""
        return next((table for table in self.tables if table.planned.kind == kind), None)
