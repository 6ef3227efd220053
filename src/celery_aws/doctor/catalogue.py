"""Every check, and every kind of finding."""

from collections.abc import Callable, Iterator
from typing import Final

from celery_aws.doctor.checks import (
    broker_settings,
    buckets,
    connections,
    coordination,
    costs,
    credentials,
    dead_letters,
    delivery_settings,
    names,
    permissions,
    policies,
    queues,
    result_settings,
    tables,
)
from celery_aws.doctor.facts import Facts
from celery_aws.doctor.finding import Finding, Kind

#: A question to the facts.
Check = Callable[[Facts], Iterator[Finding]]

#: By their subject, in the order of the reference.
KINDS_BY_SUBJECT: Final[dict[str, tuple[Kind, ...]]] = {
    "Connection and clock": connections.KINDS,
    "Credentials": credentials.KINDS,
    "Permissions": permissions.KINDS,
    "Queues": queues.KINDS,
    "Names of queues": names.KINDS,
    "Dead letters": dead_letters.KINDS,
    "Policies of queues and buckets": policies.KINDS,
    "Tables": tables.KINDS,
    "Buckets": buckets.KINDS,
    "Workers, parked tasks and leftovers": coordination.KINDS,
    "Costs": costs.KINDS,
    "Settings: delivery": delivery_settings.KINDS,
    "Settings: broker and workers": broker_settings.KINDS,
    "Settings: results": result_settings.KINDS,
}

CHECKS: Final[tuple[Check, ...]] = (
    *connections.CHECKS,
    *credentials.CHECKS,
    *permissions.CHECKS,
    *queues.CHECKS,
    *names.CHECKS,
    *dead_letters.CHECKS,
    *policies.CHECKS,
    *tables.CHECKS,
    *buckets.CHECKS,
    *coordination.CHECKS,
    *costs.CHECKS,
    *delivery_settings.CHECKS,
    *broker_settings.CHECKS,
    *result_settings.CHECKS,
)


def findings_of(facts: Facts) -> list[Finding]:
    """Return what all checks find, the worst first, else in the order of the checks. No request."""
    found = [finding for check in CHECKS for finding in check(facts)]
    return sorted(found, key=lambda finding: finding.severity.rank)
