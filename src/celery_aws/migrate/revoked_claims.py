"""Tasks that were revoked on this side, on the way back: workers of the other side do not know it.

Whoever revokes on SQS writes it into the coordination table, where workers look it up for tasks
that were parked. On the other side there is no such table, so what was revoked here does not go.
"""

from collections.abc import Sequence
from dataclasses import replace

from celery_aws.broker import Transport
from celery_aws.migrate.messages import Carried
from celery_aws.migrate.sides import Claim


def told_revoked(transport: Transport, claims: Sequence[Claim]) -> list[Claim]:
    """Return claims that say whether their tasks were revoked.

    Args:
        transport: of the broker that they are from.
        claims: up to a hundred.

    Raises:
        AwsError: nobody knows.

    Costs one BatchGetItem; nothing for no claims, or without a coordination table.
    """
    shared = transport.coordination
    ids = {task_id for each in claims if (task_id := _task_id(each)) is not None}
    revoked = shared.revocations.among(ids) if shared is not None else set()
    return [replace(each, revoked=_task_id(each) in revoked) for each in claims]


def _task_id(claim: Claim) -> str | None:
    return claim.message.task_id if isinstance(claim.message, Carried) else None
