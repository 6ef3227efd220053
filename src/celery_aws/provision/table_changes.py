"""Makes a table, or changes it. Done again, it does nothing more.

One change at a time, each after the table is active again: DynamoDB takes no other before.
"""

from dataclasses import replace

from celery_aws.aws.table_administration import TableAdministration, TableDetails
from celery_aws.aws.table_schema import TableSpec
from celery_aws.clock import Clock
from celery_aws.core.backoff import Backoff
from celery_aws.errors import UnreachableError
from celery_aws.names import TableName
from celery_aws.provision.outcomes import Say
from celery_aws.provision.reading import read_table
from celery_aws.provision.services import Services
from celery_aws.provision.steps import TableStep
from celery_aws.provision.table_steps import (
    BILLING,
    DELETION_PROTECTION,
    ENCRYPTION,
    EXPIRY,
    RECOVERY,
    table_step,
)
from celery_aws.provision.tags import tags_to_set
from celery_aws.table.creation import enable_recovery, ensure_table

#: How long a table may be busy with one change; another key for a large table takes minutes.
CHANGE_DEADLINE_SECONDS = 900.0

_POLLS = Backoff(base_seconds=0.2, cap_seconds=5.0)

_ACTIVE = "ACTIVE"


def bring_about_table(step: TableStep, services: Services, say: Say) -> None:
    """Do what a step says.

    Args:
        step: to create or to change a table.
        services: ask AWS.
        say: told why it takes long.

    Raises:
        ConfigurationError: somebody has made another table of this name meanwhile.
        AwsError: AWS refused, or the table is busy for too long.

    Costs nine to about thirty requests to create it; two to look at its expiry, and for every
    change one and a few looks.
    """
    planned, service = step.planned, services.tables(step.access)
    if not step.exists:
        say(f"{planned.name} takes some ten seconds to be active")
    # Of what exists, this mends the expiry.
    ensure_table(service, planned.name, planned.spec, purpose=planned.purpose, clock=services.clock)
    if not step.exists:
        # Another may have begun to make it, and in another way.
        step = table_step(planned, read_table(services, planned))
    _change(step, service, services.clock, say)


def _change(step: TableStep, service: TableAdministration, clock: Clock, say: Say) -> None:
    name, spec, changed = step.planned.name, step.planned.spec, step.changed
    if not changed - {EXPIRY}:
        return
    if BILLING in changed:
        found = until_active(service, name, clock, say)
        service.set_billing(name, _at_least(spec, found))
    if ENCRYPTION in changed and spec.kms_key is not None:
        until_active(service, name, clock, say)
        service.encrypt(name, spec.kms_key)
    if DELETION_PROTECTION in changed:
        until_active(service, name, clock, say)
        service.protect(name)
    if RECOVERY in changed:
        until_active(service, name, clock, say)
        enable_recovery(service, name, clock)
    tags = tags_to_set(spec.tags, changed)
    if tags:
        service.tag(until_active(service, name, clock, say).arn, tags)
    until_active(service, name, clock, say)


def until_active(
    service: TableAdministration, table: TableName, clock: Clock, say: Say
) -> TableDetails:
    """Wait until a table can be changed, and return what it is.

    Raises:
        UnreachableError: it cannot for :data:`CHANGE_DEADLINE_SECONDS`.
    """
    deadline = clock.monotonic() + CHANGE_DEADLINE_SECONDS
    attempt = 0
    while True:
        found = service.details(table)
        if found.status == _ACTIVE:
            return found
        if clock.monotonic() >= deadline:
            raise UnreachableError(
                f"the table is {found.status} for {CHANGE_DEADLINE_SECONDS:.0f} s",
                service="dynamodb",
                operation="DescribeTable",
                resource=table,
                remedy="Run the command again later: it goes on where it stopped",
            )
        if attempt == 0:
            say(f"{table} is {found.status}: waiting")
        clock.sleep(_POLLS.bound_seconds(attempt))
        attempt += 1


def _at_least(spec: TableSpec, found: TableDetails) -> TableSpec:
    if spec.read_capacity is None or spec.write_capacity is None or found.on_demand:
        return spec
    return replace(
        spec,
        read_capacity=max(spec.read_capacity, found.read_capacity),
        write_capacity=max(spec.write_capacity, found.write_capacity),
    )
