"""Whether tables are there, and are what they are used as.

Facts: DescribeTable, DescribeTimeToLive and DescribeContinuousBackups in the DynamoDB API
reference; celery/backends/dynamodb.py makes its table with one unit of each capacity.
"""

from collections.abc import Iterator

from celery_aws.aws.table_schema import TABLE_USABLE, TABLE_WITHOUT_KEY, TTL_IN_FORCE
from celery_aws.doctor.examined import ExaminedTable
from celery_aws.doctor.facts import Facts
from celery_aws.doctor.finding import Finding, error, notice, warning

#: Units a second below which a table that is not on demand throttles what a worker writes.
_LOW_CAPACITY_UNITS = 5

MISSING = error(
    "table-missing",
    "A table does not exist, and nobody makes it: results or commands cannot be stored.",
    "Make it with `celery -A proj aws create-table`, or check its name and region",
)
NOT_YET = notice(
    "table-not-yet-made",
    "A table does not exist; who first writes to it makes it, if it may (dynamodb:CreateTable).",
    "Make it before with `celery -A proj aws create-table`; or nothing",
)
WRONG_KEY = error(
    "table-key-wrong",
    "The table has another primary key than what it is used for needs: every request is refused.",
    "Name another table, or delete this one if nothing else uses it",
)
NOT_USABLE = error(
    "table-not-usable",
    "The table takes no reads and writes: it is being deleted, or its KMS key cannot be used.",
    "Wait until it is made or deleted; if its KMS key is the reason, enable that key",
)
EXPIRY_OFF = warning(
    "table-expiry-off",
    "Nothing in the table expires: it grows for ever, and so does its cost.",
    "Switch it on with `celery -A proj aws create-table`, which leaves the table else as it is",
)
EXPIRY_WRONG = error(
    "table-expiry-of-another-attribute",
    "The table's items expire by another attribute: nothing of ours does, and the table is refused "
    "when it would be made.",
    "Switch that expiry off (`aws dynamodb update-time-to-live`), wait an hour, and run `celery -A "
    "proj aws create-table`; or name another table",
)
LOW_CAPACITY = warning(
    "table-capacity-low",
    "The table has few capacity units, as Celery's own backend makes it (one write a second): "
    "results are throttled.",
    "Switch the table to on demand: `aws dynamodb update-table --table-name TABLE --billing-mode "
    "PAY_PER_REQUEST`",
)
UNPROTECTED = warning(
    "table-protection-missing",
    "The settings ask for deletion protection or point-in-time recovery, and the table has it not: "
    "such options are for a table that is created.",
    "Switch it on: `aws dynamodb update-table --deletion-protection-enabled` or `aws dynamodb "
    "update-continuous-backups`; or `celery -A proj aws provision apply`",
)

KINDS = (MISSING, NOT_YET, WRONG_KEY, NOT_USABLE, EXPIRY_OFF, EXPIRY_WRONG, LOW_CAPACITY,
         UNPROTECTED)  # fmt: skip


def existence(facts: Facts) -> Iterator[Finding]:
    """Tell which tables are missing or cannot be used."""
    for table in facts.tables:
        details = table.details.answer
        if table.details.missing:
            kind = NOT_YET if table.planned.created_when_missing else MISSING
            region = table.planned.access.region
            yield kind.found(table.what, f"DynamoDB has no such table in {region}")
        elif details is not None and details.status not in TABLE_USABLE:
            key = details.status in TABLE_WITHOUT_KEY
            remedy = "Enable the table's KMS key, and let who asks use it" if key else None
            yield NOT_USABLE.found(table.what, f"it is {details.status}", remedy=remedy)


def keys(facts: Facts) -> Iterator[Finding]:
    """Look at primary keys."""
    for table in facts.tables:
        details = table.details.answer
        if details is not None and details.key != table.planned.spec.key:
            found = ", ".join(f"{each.name} ({each.kind})" for each in details.key)
            needed = ", ".join(f"{each.name} ({each.kind})" for each in table.planned.spec.key)
            yield WRONG_KEY.found(table.what, f"it has {found}, and {needed} is needed")


def expiry(facts: Facts) -> Iterator[Finding]:
    """Look at whether items expire."""
    for table in facts.tables:
        found, wanted = table.expiry.answer, table.planned.purpose.ttl_attribute
        if found is None:
            continue
        if found.status not in TTL_IN_FORCE:
            yield EXPIRY_OFF.found(table.what, f"its expiry is {found.status}")
        elif found.attribute != wanted:
            evidence = f"items expire by {found.attribute!r}, and not by {wanted!r}"
            yield EXPIRY_WRONG.found(table.what, evidence)


def capacity(facts: Facts) -> Iterator[Finding]:
    """Look at capacities."""
    for table in facts.tables:
        details = table.details.answer
        if details is None or details.on_demand:
            continue
        if min(details.read_capacity, details.write_capacity) < _LOW_CAPACITY_UNITS:
            evidence = f"{details.read_capacity} read and {details.write_capacity} write units"
            yield LOW_CAPACITY.found(table.what, evidence)


def protection(facts: Facts) -> Iterator[Finding]:
    """Compare protection with what the settings ask for."""
    for table in facts.tables:
        lacking = ", ".join(_lacking(table))
        if lacking:
            yield UNPROTECTED.found(table.what, f"it is without {lacking}")


def _lacking(table: ExaminedTable) -> Iterator[str]:
    details, spec = table.details.answer, table.planned.spec
    if details is not None and spec.deletion_protection and not details.deletion_protection:
        yield "deletion protection"
    if spec.point_in_time_recovery and table.recovery.answer is False:
        yield "point-in-time recovery"


CHECKS = (existence, keys, expiry, capacity, protection)
