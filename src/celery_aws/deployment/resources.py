"""What an app needs on AWS, as one value: the start of every command for operators."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from celery_aws.aws.access import Access
from celery_aws.aws.table_schema import TableSpec
from celery_aws.broker.directory import predefined_access
from celery_aws.config.broker import BrokerOptions
from celery_aws.core.queue_plan import PlannedQueue, QueueRole
from celery_aws.names import BucketName, TableName
from celery_aws.table.creation import TablePurpose


@dataclass(frozen=True, kw_only=True)
class PlannedTable:
    """A DynamoDB table that shall be there.

    Attributes:
        kind: what is kept in it.
        name: or ARN, of a table of another account.
        spec: what it is created as.
        purpose: how its items expire, and which setting names it.
        access: where it is, and who asks.
        created_when_missing: by the processes that use it, if they may.
    """

    kind: Literal["results", "coordination"]
    name: TableName
    spec: TableSpec
    purpose: TablePurpose
    access: Access
    created_when_missing: bool


@dataclass(frozen=True, kw_only=True)
class PlannedBucket:
    """Where in S3 something is kept that is too large elsewhere.

    Attributes:
        kind: what is kept there.
        name: of the bucket.
        prefix: of the keys; nothing is read, written or deleted under another.
        access: where it is, and who asks.
        longest_life_seconds: how long what is there may be needed, from when it was written, for as
            long as nobody keeps it from its queue; None is for ever.
        parks: it may wait in the schedule before that, for any time.
    """

    kind: Literal["messages", "results"]
    name: BucketName
    prefix: str
    access: Access
    longest_life_seconds: int | None = None
    parks: bool = False


@dataclass(frozen=True, kw_only=True)
class ResultKeys:
    """What the keys of a results table begin with, by what they are for: Celery's own prefixes.

    Attributes:
        group: of saved groups.
        chord: of chords that are counted.
    """

    group: str = "celery-taskset-meta-"
    chord: str = "chord-unlock-"


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """Everything that an app needs on AWS.

    Attributes:
        broker: where the queues are, and who asks; None if the broker is another one.
        options: of the broker; None likewise.
        queues: in the order in which they can be created.
        tables: none, one or two.
        buckets: none, one or two.
        routers: what decides about queues and could not be asked, as text.
        undefined: Celery's names of queues that ``predefined_queues`` leaves out.
        transient: Celery's names of queues that live in their process's memory, such as those of a
            ``Broadcast``: who sends to them sends to inboxes.
        sends_sent_events: who sends a task tells monitors, by their inboxes.
        returns_results_by_message: results are messages to who has sent the task (``rpc://``),
            which then has an inbox.
        result_keys: of the results table.
    """

    broker: Access | None = None
    options: BrokerOptions | None = None
    queues: tuple[PlannedQueue, ...] = ()
    tables: tuple[PlannedTable, ...] = ()
    buckets: tuple[PlannedBucket, ...] = ()
    routers: tuple[str, ...] = ()
    undefined: tuple[str, ...] = ()
    transient: tuple[str, ...] = ()
    sends_sent_events: bool = False
    returns_results_by_message: bool = False
    result_keys: ResultKeys = ResultKeys()

    def with_role(self, *roles: QueueRole) -> Iterator[PlannedQueue]:
        """Yield the queues that are there for something."""
        return (queue for queue in self.queues if queue.role in roles)

    def table(self, kind: Literal["results", "coordination"]) -> PlannedTable | None:
        """Return one of the tables, or None."""
        return next((table for table in self.tables if table.kind == kind), None)

    def access_of(self, queue: PlannedQueue) -> Access:
        """Return how a queue is reached: as the broker is, but for some predefined ones.

        Raises:
            ConfigurationError: a predefined queue has half a key pair.
            ValueError: there is no broker.
        """
        if self.broker is None:
            raise ValueError("queues have no access without a broker")
        if queue.predefined is None:
            return self.broker
        return predefined_access(self.broker, queue.predefined, queue.serves)

    @property
    def remote_control(self) -> bool:
        """True if processes make inboxes for remote control and events."""
        return self.options is not None and self.options.coordination_table is not False
