"""The ARNs of what an app uses, from its deployment and the account that it is in.

Facts: "Actions, resources, and condition keys" for SQS, DynamoDB and S3 in the service
authorization reference; a queue's URL names the account that owns it.
"""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from celery_aws.aws.identity import Identity
from celery_aws.core.dead_letters import REDRIVE_POLICY, redrive_policy
from celery_aws.core.inboxes import inbox_pattern
from celery_aws.core.queue_plan import PlannedQueue, QueueRole
from celery_aws.deployment import Deployment, PlannedBucket, PlannedTable
from celery_aws.names import AccountId, QueueName

_ACCOUNT = re.compile(r"\d{12}")

#: arn:partition:service:region:account:resource
_ACCOUNT_PART = 4


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What an app uses, by ARN.

    Attributes:
        deployment: of the app.
        identity: whose account it is in.
        other_dead_letters: ARNs of dead-letter queues that the configuration does not know: those
            of predefined queues.
    """

    deployment: Deployment
    identity: Identity
    other_dead_letters: tuple[str, ...] = ()

    @property
    def tasks(self) -> tuple[str, ...]:
        """Queues of tasks, with those of priorities."""
        return self._queues(QueueRole.TASKS, QueueRole.PRIORITY)

    @property
    def dead_letters(self) -> tuple[str, ...]:
        """Dead-letter queues."""
        planned = self._queues(QueueRole.DEAD_LETTERS)
        return _distinct(*planned, *self._named_in_redrive_policies(), *self.other_dead_letters)

    @property
    def own_queues(self) -> tuple[str, ...]:
        """Queues that the app, or its operator, may make."""
        planned = (each for each in self.deployment.queues if each.predefined is None)
        return _distinct(*map(self.queue, planned))

    @property
    def predefined(self) -> tuple[str, ...]:
        """Queues that somebody else makes."""
        planned = (each for each in self.deployment.queues if each.predefined is not None)
        return _distinct(*map(self.queue, planned))

    @property
    def inboxes(self) -> tuple[str, ...]:
        """The one pattern: processes make their inboxes, by names that nobody knows before."""
        options, broker = self.deployment.options, self.deployment.broker
        if options is None or broker is None or not self.deployment.remote_control:
            return ()
        name = QueueName(inbox_pattern(options.queue_name_prefix))
        return (self.identity.queue_arn(broker.region, name),)

    @property
    def results(self) -> tuple[str, ...]:
        """The results table."""
        return self._table(self.deployment.table("results"))

    @property
    def coordination(self) -> tuple[str, ...]:
        """The coordination table."""
        return self._table(self.deployment.table("coordination"))

    def queue(self, queue: PlannedQueue) -> str:
        """Return the ARN of a queue, in the account and the region in which it is."""
        broker, predefined = self.deployment.broker, queue.predefined
        if broker is None:
            raise ValueError(f"queue {queue.name}: there is no broker")
        if predefined is None:
            return self.identity.queue_arn(broker.region, queue.name)
        owner = owner_of_url(predefined.url) or self.identity.account
        region = predefined.region or broker.region
        return f"arn:{self.identity.partition}:sqs:{region}:{owner}:{queue.name}"

    def table(self, table: PlannedTable) -> str:
        """Return the ARN of a table."""
        return self.identity.table_arn(table.access.region, table.name)

    def bucket(self, bucket: PlannedBucket) -> str:
        """Return the ARN of a bucket."""
        return f"arn:{self.identity.partition}:s3:::{bucket.name}"

    def is_foreign(self, arn: str) -> bool:
        """Tell whether something is another account's."""
        account = arn.split(":")[_ACCOUNT_PART]
        return bool(account) and account != self.identity.account

    def _queues(self, *roles: QueueRole) -> tuple[str, ...]:
        return _distinct(*map(self.queue, self.deployment.with_role(*roles)))

    def _table(self, table: PlannedTable | None) -> tuple[str, ...]:
        return () if table is None else (self.table(table),)

    def _named_in_redrive_policies(self) -> tuple[str, ...]:
        written = (each.attributes.get(REDRIVE_POLICY) for each in self.deployment.queues)
        policies = (redrive_policy(each) for each in written if each is not None)
        return tuple(each.target for each in policies if each is not None)


def owner_of_url(url: str) -> AccountId | None:
    """Return the account in a queue's URL, or None."""
    parts = urlsplit(url).path.strip("/").split("/")
    owner = parts[-2] if len(parts) > 1 else ""
    return AccountId(owner) if _ACCOUNT.fullmatch(owner) else None


def _distinct(*arns: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(arns))
