"""Does what a plan says, step by step.

Killed at any place and run again, it goes on from what it then finds; and whatever a step finds
done by another meanwhile is as good.
"""

from collections.abc import Callable

from celery_aws.deployment import Deployment
from celery_aws.provision.bucket_changes import bring_about_bucket
from celery_aws.provision.outcomes import Say
from celery_aws.provision.queue_changes import bring_about_queue
from celery_aws.provision.queue_steps import sources_of
from celery_aws.provision.services import Services
from celery_aws.provision.steps import BucketStep, Plan, QueueStep, Step, TableStep
from celery_aws.provision.table_changes import bring_about_table


def apply(
    plan: Plan,
    deployment: Deployment,
    services: Services,
    *,
    done: Callable[[Step], None],
    say: Say,
) -> None:
    """Do what a plan says, but for what has conflicts.

    Args:
        plan: of the deployment, just made.
        deployment: what the app needs.
        services: ask AWS.
        done: told of each step that is done.
        say: told why something takes long.

    Raises:
        AwsError: AWS refused a step; those before it are done.
    """
    for step in plan.to_do:
        if isinstance(step, QueueStep):
            bring_about_queue(step, services, sources_of(step.planned, deployment), say)
        elif isinstance(step, TableStep):
            bring_about_table(step, services, say)
        elif isinstance(step, BucketStep):
            bring_about_bucket(step, services)
        done(step)
