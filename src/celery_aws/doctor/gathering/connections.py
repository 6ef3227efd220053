"""Whether the services of a deployment answer, and who they say it is that asks."""

from collections.abc import Iterator
from typing import Any

from celery_aws.aws.access import Access
from celery_aws.aws.greeting import ServiceName, greet
from celery_aws.aws.identity import Identity, StsIdentityService
from celery_aws.clock import Clock
from celery_aws.core.queue_plan import QueueRole
from celery_aws.deployment import Deployment, PlannedTable
from celery_aws.doctor.examined import Connection
from celery_aws.doctor.look import Look, look
from celery_aws.errors import AwsError, CredentialsError, ExpiredCredentialsError

#: Asked for where the deployment names no queue; it need not exist.
_ANY_QUEUE = "celery"

#: What the date of an answer leaves out, on average.
_HALF_A_SECOND = 0.5


def connections_of(deployment: Deployment, clock: Clock) -> Iterator[Connection]:
    """Greet each service that a deployment uses. One request each."""
    if deployment.broker is not None:
        tasks = (each for each in deployment.with_role(QueueRole.TASKS) if not each.predefined)
        name = next((each.name for each in tasks), _ANY_QUEUE)
        yield _connection("sqs", "the broker", deployment.broker, name, clock)
    tables: dict[tuple[Any, ...], list[PlannedTable]] = {}
    for table in deployment.tables:
        tables.setdefault(table.access.key(), []).append(table)
    for first, *others in tables.values():
        purpose = "both tables" if others else f"the {first.kind} table"
        yield _connection("dynamodb", purpose, first.access, first.name, clock)


def identity_of(access: Access) -> Look[Identity]:
    """Ask STS who asks. One request."""
    return look(StsIdentityService(access).identity)


def _connection(
    service: ServiceName, purpose: str, access: Access, resource: str, clock: Clock
) -> Connection:
    began = clock.now().timestamp()
    try:
        greeting = greet(service, access, resource)
    except AwsError as error:
        return Connection(
            service=service, purpose=purpose, access=access, reached=Look(error=error)
        )
    middle = (began + clock.now().timestamp()) / 2
    date = greeting.date
    ahead = None if date is None else middle - (date.timestamp() + _HALF_A_SECOND)
    unknown = isinstance(greeting.refusal, (CredentialsError, ExpiredCredentialsError))
    return Connection(
        service=service,
        purpose=purpose,
        access=access,
        reached=Look(answer=ahead),
        refusal=greeting.refusal if unknown else None,
    )
