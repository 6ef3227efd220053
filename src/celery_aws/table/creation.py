"""Makes a table, by an explicit call or when the first write finds none.

Many processes may do it at once: whoever finds the table being made by another waits with
it. An existing table is never altered, except that the expiry of its items is switched on.
Facts: CreateTable is asynchronous, UpdateTimeToLive needs an active table and refuses to
switch on what is on, UpdateContinuousBackups is refused for a while after the table is active
(ContinuousBackupsUnavailableException; DynamoDB API reference).
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import TypeVar

from celery_aws.aws.dynamodb import TableService
from celery_aws.aws.table_schema import (
    TABLE_USABLE,
    TABLE_WITHOUT_KEY,
    TTL_IN_FORCE,
    KeyAttribute,
    TableDescription,
    TableSpec,
)
from celery_aws.clock import Clock
from celery_aws.core.backoff import Backoff
from celery_aws.errors import (
    AlreadyExistsError,
    ConfigurationError,
    EncryptionKeyError,
    InvalidRequestError,
    ServiceFaultError,
    TableNotFoundError,
    UnreachableError,
)
from celery_aws.names import TableName

T = TypeVar("T")

#: How long a new table may take to become active; on AWS it is some ten seconds.
CREATION_DEADLINE_SECONDS = 120.0

#: Waits between two looks at a table that is being created.
_POLLS = Backoff(base_seconds=0.1, cap_seconds=2.0)


@dataclass(frozen=True, kw_only=True)
class TablePurpose:
    """What a table is for: how its items expire, and how an error speaks of it."""

    #: As in "the results table".
    name: str
    #: The attribute by which items expire, in epoch seconds.
    ttl_attribute: str
    #: The setting that names the table, and the option in it.
    where: str
    key: str = "table"


@dataclass(frozen=True, kw_only=True)
class TableReport:
    """What was found and done."""

    table: TableName
    #: True if this call made the table, False if it was there or another process made it.
    created: bool
    #: True if this call switched the expiry of items on.
    ttl_enabled: bool
    on_demand: bool
    #: True if this call switched point-in-time recovery on.
    recovery_enabled: bool = False


def ensure_table(
    service: TableService,
    table: TableName,
    spec: TableSpec,
    *,
    purpose: TablePurpose,
    clock: Clock,
) -> TableReport:
    """Create a table, unless it is there, and wait until it can be used.

    Args:
        service: DynamoDB.
        table: its name.
        spec: its primary key and, if it has to be made, all the rest.
        purpose: the attribute by which items expire, and the words of errors.
        clock: for the waits and the deadline.

    Returns:
        What was found and done.

    Raises:
        ConfigurationError: a table of this name has another primary key or another expiry
            attribute.
        EncryptionKeyError: the table's KMS key cannot be used.
        UnreachableError: it is not active after :data:`CREATION_DEADLINE_SECONDS`.
        AwsError: AWS refused; if it is point-in-time recovery, of a table that is usable else.

    Costs two requests if everything is there, else five to about thirty, once.
    """
    found = _look_at(service, table)
    created = found is None and _create(service, table, spec)
    if found is None or found.status not in TABLE_USABLE:
        found = _wait_until_usable(service, table, clock)
    if found.key != spec.key:
        raise _wrong_key(table, found, spec, purpose)
    ttl_enabled = _enable_ttl_if_off(service, table, purpose)
    recovery_enabled = created and spec.point_in_time_recovery
    if recovery_enabled:
        enable_recovery(service, table, clock)
    return TableReport(
        table=table,
        created=created,
        ttl_enabled=ttl_enabled,
        on_demand=found.on_demand,
        recovery_enabled=recovery_enabled,
    )


def _look_at(service: TableService, table: TableName) -> TableDescription | None:
    try:
        return service.describe_table(table)
    except TableNotFoundError:
        return None


def _create(service: TableService, table: TableName, spec: TableSpec) -> bool:
    try:
        service.create_table(table, spec)
    except AlreadyExistsError:  # another process was faster
        return False
    return True


def _wait_until_usable(service: TableService, table: TableName, clock: Clock) -> TableDescription:
    def usable() -> TableDescription | None:
        # DescribeTable is eventually consistent: a new table may not be seen at once.
        found = _look_at(service, table)
        if found is not None and found.status in TABLE_WITHOUT_KEY:
            raise _without_key(table, found)
        return found if found is not None and found.status in TABLE_USABLE else None

    found = _poll(usable, clock)
    if found is None:
        raise UnreachableError(
            f"the table is not active after {CREATION_DEADLINE_SECONDS:.0f} s",
            service="dynamodb",
            operation="DescribeTable",
            resource=table,
            remedy="Look at the table in the AWS console and try again",
        )
    return found


def enable_recovery(service: TableService, table: TableName, clock: Clock) -> None:
    """Switch point-in-time recovery on, which a new table refuses for a while.

    Raises:
        AwsError: AWS refused, or still does after :data:`CREATION_DEADLINE_SECONDS`.
    """
    refused: ServiceFaultError | None = None

    def enabled() -> bool:
        nonlocal refused
        try:
            service.enable_recovery(table)
        except ServiceFaultError as error:  # not yet possible for a new table
            refused = error
            return False
        return True

    if not _poll(enabled, clock) and refused is not None:
        raise refused


def _poll(look: Callable[[], T], clock: Clock) -> T:
    """Return the first true answer, or the last one when the time is up."""
    deadline = clock.monotonic() + CREATION_DEADLINE_SECONDS
    for attempt in count():
        found = look()
        if found or clock.monotonic() >= deadline:
            break
        clock.sleep(_POLLS.bound_seconds(attempt))
    return found


def _enable_ttl_if_off(service: TableService, table: TableName, purpose: TablePurpose) -> bool:
    if _ttl_is_on(service, table, purpose):
        return False
    try:
        service.enable_ttl(table, purpose.ttl_attribute)
    except (AlreadyExistsError, InvalidRequestError):
        # Another process may have switched it on since we looked.
        if not _ttl_is_on(service, table, purpose):
            raise
        return False
    return True


def _ttl_is_on(service: TableService, table: TableName, purpose: TablePurpose) -> bool:
    found = service.describe_ttl(table)
    if found.status not in TTL_IN_FORCE:
        return False
    if found.attribute != purpose.ttl_attribute:
        raise ConfigurationError(
            f"{purpose.where}: items of the table {table!r} expire by the attribute "
            f"{found.attribute!r}; the {purpose.name} needs {purpose.ttl_attribute!r}. Switch "
            "that expiry off, or name another table",
            where=purpose.where,
            key=purpose.key,
        )
    return True


def _without_key(table: TableName, found: TableDescription) -> EncryptionKeyError:
    return EncryptionKeyError(
        f"the table is {found.status}",
        service="dynamodb",
        operation="DescribeTable",
        resource=table,
    )


def _wrong_key(
    table: TableName, found: TableDescription, spec: TableSpec, purpose: TablePurpose
) -> ConfigurationError:
    return ConfigurationError(
        f"{purpose.where}: the table {table!r} has the primary key {_shown(found.key)}; the "
        f"{purpose.name} needs {_shown(spec.key)} and nothing else. Name another table, or delete "
        "this one if nothing else uses it",
        where=purpose.where,
        key=purpose.key,
    )


def _shown(key: tuple[KeyAttribute, ...]) -> str:
    return ", ".join(f"{attribute.name} ({attribute.kind})" for attribute in key)
