"""From what shall be and what is there to a plan. Pure: no request."""

from celery_aws.deployment import Deployment
from celery_aws.provision.bucket_steps import bucket_steps
from celery_aws.provision.found import Found
from celery_aws.provision.queue_steps import queue_steps
from celery_aws.provision.steps import Plan
from celery_aws.provision.table_steps import table_steps


def plan_of(deployment: Deployment, found: Found) -> Plan:
    """Return what becomes of everything that an app needs.

    Args:
        deployment: what it needs.
        found: what there is.
    """
    return Plan(
        steps=(
            *queue_steps(deployment, found.queues),
            *table_steps(deployment, found.tables),
            *bucket_steps(deployment, found.buckets),
        ),
        notes=tuple(_notes(deployment)),
    )


def _notes(deployment: Deployment) -> list[str]:
    notes = [
        f"the queue {name!r} is not among predefined_queues: it cannot be used"
        for name in deployment.undefined
    ]
    if deployment.routers:
        notes.append(
            f"task_routes has {', '.join(deployment.routers)}, which cannot be asked for its "
            "queues: name them with --queue"
        )
    if deployment.remote_control:
        notes.append("inboxes for remote control and events are made by each process itself")
    return notes
