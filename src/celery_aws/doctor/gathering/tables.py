"""Tables as they are."""

from collections.abc import Iterator

from celery_aws.aws.table_administration import DynamoTableAdministration
from celery_aws.deployment import Deployment, PlannedTable
from celery_aws.doctor.examined import ExaminedTable
from celery_aws.doctor.look import look


def tables_of(deployment: Deployment) -> Iterator[ExaminedTable]:
    """Examine the tables of a deployment. Three requests each, one if it does not exist."""
    for planned in deployment.tables:
        yield _examined(planned)


def _examined(planned: PlannedTable) -> ExaminedTable:
    service = DynamoTableAdministration(planned.access)
    details = look(lambda: service.details(planned.name))
    if details.missing:
        return ExaminedTable(planned=planned, details=details)
    return ExaminedTable(
        planned=planned,
        details=details,
        expiry=look(lambda: service.describe_ttl(planned.name)),
        recovery=look(lambda: service.recovery(planned.name)),
    )
