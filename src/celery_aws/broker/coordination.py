"""What the processes of a deployment share through the coordination table, for one broker."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from celery_aws.aws.access import Access, beside
from celery_aws.aws.dynamodb import TableService
from celery_aws.aws.table_schema import TableSpec
from celery_aws.clock import Clock
from celery_aws.config.broker import BrokerOptions
from celery_aws.limits import DYNAMODB_TABLE_NAME_CHARACTERS_MAX
from celery_aws.names import TableName
from celery_aws.process import PerProcess
from celery_aws.table.bindings import Bindings
from celery_aws.table.coordination import SPEC, CoordinationTable
from celery_aws.table.inboxes import Inboxes
from celery_aws.table.mailboxes import Mailboxes
from celery_aws.table.migrated import MigrationClaims
from celery_aws.table.revocations import Revocations
from celery_aws.table.schedule import Schedule
from celery_aws.table.usage import UsageLog

#: Makes the service that asks DynamoDB: ``DynamoTableService``, or a test's double.
TableServiceFactory = Callable[[Access], TableService]

#: Behind the queue name prefix: who has queues of their own has a table of their own.
TABLE_NAME = "celery-coordination"

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_.-]")


@dataclass(frozen=True, kw_only=True)
class Coordination:
    """One coordination table, by what is kept in it; safe to share between threads."""

    table: CoordinationTable
    schedule: Schedule
    revocations: Revocations
    migration_claims: MigrationClaims
    bindings: Bindings
    inboxes: Inboxes
    mailboxes: Mailboxes
    usage: UsageLog

    @classmethod
    def on(cls, table: CoordinationTable) -> "Coordination":
        """Return what is kept in ``table``."""
        return cls(
            table=table,
            schedule=Schedule(table),
            revocations=Revocations(table=table),
            migration_claims=MigrationClaims(table=table),
            bindings=Bindings(table=table),
            inboxes=Inboxes(table=table),
            mailboxes=Mailboxes(table=table),
            usage=UsageLog(table=table),
        )


_per_process: PerProcess[tuple[object, ...], Coordination] = PerProcess()


def coordination(
    options: BrokerOptions, access: Access, services: TableServiceFactory, clock: Clock
) -> Coordination | None:
    """Return this process's one, or None if the option is off.

    Args:
        options: of the broker.
        access: of the broker.
        services: makes the service that asks DynamoDB.
        clock: for what is stored.

    Costs no request.
    """
    if options.coordination_table is False:
        return None
    name = table_name(options)
    found = coordination_access(options, access)
    creates = options.create_coordination_table
    spec = table_spec(options)

    def make() -> Coordination:
        table = CoordinationTable(
            service=services(found), name=name, creates=creates, spec=spec, clock=clock
        )
        return Coordination.on(table)

    return _per_process.get((found.key(), name, creates, spec, services, clock), make)


def coordination_access(options: BrokerOptions, access: Access) -> Access:
    """Return where the coordination table is, for a broker's own access."""
    return beside(access, options.coordination_endpoint_url)


def table_spec(options: BrokerOptions) -> TableSpec:
    """Return what a coordination table is made as."""
    return replace(
        SPEC,
        point_in_time_recovery=options.coordination_point_in_time_recovery,
        kms_key=options.coordination_kms_key,
        tags=options.coordination_table_tags,
        deletion_protection=options.coordination_deletion_protection,
    )


def table_name(options: BrokerOptions) -> TableName:
    """Return the name of the coordination table that the options name, or the default."""
    if options.coordination_table:
        return TableName(options.coordination_table)
    prefix = _NOT_IN_NAMES.sub("-", options.queue_name_prefix)
    return TableName(prefix[: DYNAMODB_TABLE_NAME_CHARACTERS_MAX - len(TABLE_NAME)] + TABLE_NAME)
