"""The policy of a role: what its processes may do with what the app needs on AWS, and no more."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from celery_aws.aws.identity import Identity
from celery_aws.deployment import Deployment
from celery_aws.iam import encryption
from celery_aws.iam.creation import queue_creation, table_creation
from celery_aws.iam.document import PolicyDocument, Statement
from celery_aws.iam.folding import folded
from celery_aws.iam.migrator import migrator
from celery_aws.iam.monitor import monitor
from celery_aws.iam.operator import operator
from celery_aws.iam.producer import producer
from celery_aws.iam.provisioner import provisioner
from celery_aws.iam.resources import Resources
from celery_aws.iam.worker import worker


class Role(Enum):
    """Whose policy it is."""

    #: Sends tasks, waits for results.
    PRODUCER = "producer"
    #: ``celery worker``.
    WORKER = "worker"
    #: Flower, ``inspect``, ``control``, events, dashboards, exporters.
    MONITOR = "monitor"
    #: A monitor who also looks after dead letters and leftovers, by hand.
    OPERATOR = "operator"
    #: Moves everything from another broker and result backend here, or back, by hand.
    MIGRATOR = "migrator"
    #: Makes queues, tables and buckets.
    PROVISIONER = "provisioner"


@dataclass(frozen=True, kw_only=True)
class PolicyOptions:
    """What a deployment does not say.

    Attributes:
        creates: processes may make queues and tables that are missing, as far as their options let
            them.
        destroys: a provisioner may delete what it makes.
        ages: a monitor asks CloudWatch how old messages are.
        object_key: KMS key of the objects in S3, by alias, id or ARN.
        dead_letter_queues: ARNs of dead-letter queues that the configuration does not name.
        folds: queues are named by what their names begin with.
    """

    creates: bool = False
    destroys: bool = False
    ages: bool = False
    object_key: str | None = None
    dead_letter_queues: tuple[str, ...] = ()
    folds: bool = False


DEFAULTS = PolicyOptions()


def policy(
    deployment: Deployment, role: Role, identity: Identity, options: PolicyOptions = DEFAULTS
) -> PolicyDocument:
    """Return what the processes of a role may do. No request.

    Args:
        deployment: what the app needs on AWS.
        role: whose policy.
        identity: the account that the app is in.
        options: what the deployment does not say.

    Raises:
        ConfigurationError: the queues cannot be folded.
    """
    found = Resources(
        deployment=deployment, identity=identity, other_dead_letters=options.dead_letter_queues
    )
    document = PolicyDocument(statements=tuple(_statements(found, role, options)))
    return folded(document, found) if options.folds else document


#: Who sends tasks, and so may be the first to need a queue or a table.
_SENDERS = {Role.PRODUCER: producer, Role.WORKER: worker, Role.MIGRATOR: migrator}

#: Who neither sends tasks nor runs them, and makes no queue of tasks.
_WATCHERS = {Role.MONITOR: monitor, Role.OPERATOR: operator}


def _statements(found: Resources, role: Role, options: PolicyOptions) -> Iterator[Statement]:
    results = found.deployment.table("results")
    coordination = found.deployment.table("coordination")
    tables = (coordination,) if role is Role.MONITOR else (results, coordination)
    if role is Role.PROVISIONER:
        yield from provisioner(found, destroys=options.destroys)
        created = encryption.table_keys(tables, encryption.DYNAMODB_CREATION)
        yield from encryption.key_statements(found, encryption.looked_up(created))
        return
    if role in _WATCHERS:
        yield from _WATCHERS[role](found, ages=options.ages)
    else:
        yield from _SENDERS[role](found)
    if options.creates:
        if role not in _WATCHERS:
            yield from queue_creation(found)
        # Who reads results makes no table for them.
        yield from table_creation(found, *((coordination,) if role in _WATCHERS else tables))
    actions = encryption.DYNAMODB_CREATION if options.creates else encryption.DYNAMODB_USE
    uses = [*encryption.queue_key(found), *encryption.table_keys(tables, actions)]
    if role is not Role.MONITOR:
        uses += encryption.object_keys(found, options.object_key)
    yield from encryption.key_statements(found, uses)
