"""What becomes of tables."""

from collections.abc import Iterator, Mapping
from typing import Literal

from celery_aws.aws.table_administration import TableDetails
from celery_aws.aws.table_schema import TABLE_WITHOUT_KEY, TTL_IN_FORCE, KeyAttribute, TableSpec
from celery_aws.deployment import Deployment, PlannedTable
from celery_aws.provision.found import FoundTable
from celery_aws.provision.queue_attributes import key_name
from celery_aws.provision.steps import Difference, TableStep
from celery_aws.provision.tags import different_tags

BILLING = "BillingMode"
DELETION_PROTECTION = "DeletionProtectionEnabled"
ENCRYPTION = "KMSMasterKeyId"
EXPIRY = "TimeToLive"
RECOVERY = "PointInTimeRecovery"

#: A table that is on its way out.
_ENDING = frozenset({"DELETING", "ARCHIVING", "ARCHIVED"})


def table_steps(
    deployment: Deployment, found: Mapping[Literal["results", "coordination"], FoundTable]
) -> Iterator[TableStep]:
    """Yield what becomes of each table."""
    for planned in deployment.tables:
        yield table_step(planned, found.get(planned.kind))


def is_of_others(planned: PlannedTable) -> bool:
    """Tell whether a table is named by its ARN: it is of another account, or somebody else's."""
    return planned.name.startswith("arn:")


def table_step(planned: PlannedTable, found: FoundTable | None) -> TableStep:
    """Return what becomes of a table.

    Args:
        planned: how it shall be.
        found: how it is; None if it is missing.
    """
    others = is_of_others(planned)
    conflicts = tuple(_conflicts(planned, found))
    differences = () if conflicts or others else tuple(_differences(planned, found))
    return TableStep(
        name=planned.name,
        region=planned.access.region,
        purpose=f"{planned.kind} of the app",
        exists=found is not None,
        differences=differences,
        conflicts=conflicts,
        notes=tuple(_notes(others=others, found=found)),
        access=planned.access,
        planned=planned,
        found=found,
    )


def _conflicts(planned: PlannedTable, found: FoundTable | None) -> Iterator[str]:
    if found is None:
        if is_of_others(planned):
            yield (
                "it does not exist, and a table that is named by its ARN is never made here: make "
                "it in its own account, with a resource policy that lets this one use it"
            )
        return
    if found.details is None:
        return
    yield from _wrong_table(planned, found.details)
    ttl = found.ttl
    if ttl.status in TTL_IN_FORCE and ttl.attribute != planned.purpose.ttl_attribute:
        yield (
            f"its items expire by {ttl.attribute!r}, and have to by "
            f"{planned.purpose.ttl_attribute!r}: switch that expiry off, or name another table"
        )
    elif ttl.status == "DISABLING":
        yield "its expiry is being switched off, which takes up to an hour: try again then"


def _wrong_table(planned: PlannedTable, found: TableDetails) -> Iterator[str]:
    if found.status in _ENDING:
        yield f"it is {found.status}: wait until it is gone, or name another table"
    elif found.status in TABLE_WITHOUT_KEY:
        yield f"it is {found.status}: its KMS key has to be usable again"
    if found.key != planned.spec.key:
        yield (
            f"its primary key is {_shown_key(found.key)}, and has to be "
            f"{_shown_key(planned.spec.key)}, which DynamoDB cannot change: name another table, or "
            "delete this one if nothing else uses it"
        )


def _differences(planned: PlannedTable, found: FoundTable | None) -> Iterator[Difference]:
    details = None if found is None else found.details
    here = found or FoundTable(details=None)
    spec = planned.spec
    yield from _billing(spec, details)
    attribute = planned.purpose.ttl_attribute
    if here.ttl.status not in TTL_IN_FORCE:
        yield _difference(EXPIRY, found, "off", f"by {attribute}")
    if spec.point_in_time_recovery and not here.recovery:
        yield _difference(RECOVERY, found, "off", "on")
    if spec.deletion_protection and not (details and details.deletion_protection):
        yield _difference(DELETION_PROTECTION, found, "off", "on")
    if spec.kms_key is not None and not _is_encrypted_by(spec.kms_key, here):
        key = None if details is None else details.kms_key
        yield _difference(ENCRYPTION, found, key or "a key that AWS owns", spec.kms_key)
    yield from different_tags(spec.tags, here.tags)


def _billing(spec: TableSpec, found: TableDetails | None) -> Iterator[Difference]:
    if found is not None and spec.on_demand == found.on_demand and has_capacity(spec, found):
        return
    yield Difference(
        name=BILLING,
        found=None if found is None else _shown_billing(found),
        wanted=_shown_billing(spec),
    )


def has_capacity(spec: TableSpec, found: TableDetails) -> bool:
    """Tell whether a table has at least the capacity of ``spec``: it may be scaled by another."""
    return found.read_capacity >= (spec.read_capacity or 0) and found.write_capacity >= (
        spec.write_capacity or 0
    )


def _shown_billing(of: TableSpec | TableDetails) -> str:
    if of.on_demand:
        return "on demand"
    return f"{of.read_capacity} read and {of.write_capacity} write units"


def _difference(name: str, found: FoundTable | None, now: str, wanted: str) -> Difference:
    return Difference(name=name, found=None if found is None else now, wanted=wanted)


def _is_encrypted_by(key: str, found: FoundTable) -> bool:
    if found.details is None or found.details.kms_key is None:
        return False
    names = {found.details.kms_key, *found.kms_names}
    return key_name(key) in {key_name(name) for name in names}


def _notes(*, others: bool, found: FoundTable | None) -> Iterator[str]:
    if not others or found is None:
        return
    if found.refusal is not None:
        yield f"named by its ARN, and may not be looked at: {found.refusal}"
    else:
        yield "named by its ARN: only looked at"


def _shown_key(key: tuple[KeyAttribute, ...]) -> str:
    return ", ".join(f"{attribute.name} ({attribute.kind})" for attribute in key)
