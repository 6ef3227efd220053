"""Makes a bucket, or gives one a lifecycle rule of our own. Done again, it does nothing more."""

from dataclasses import replace

from celery_aws.aws.bucket_administration import BucketAdministration
from celery_aws.errors import AlreadyExistsError
from celery_aws.provision.bucket_rules import with_rule
from celery_aws.provision.bucket_steps import ENCRYPTION, PUBLIC_ACCESS, rules_to_set
from celery_aws.provision.services import Services
from celery_aws.provision.steps import BucketStep


def bring_about_bucket(step: BucketStep, services: Services) -> None:
    """Do what a step says.

    Until it has a rule, an empty bucket counts as new: who is interrupted here goes on.

    Raises:
        AwsError: AWS refused; or somebody else in the world has a bucket of this name.

    Costs up to four requests to create one, and two for the rules.
    """
    service = services.buckets(step.access)
    if not step.exists:
        _create(step, service)
    if PUBLIC_ACCESS in step.changed:
        service.block_public_access(step.bucket)
    if ENCRYPTION in step.changed:
        service.encrypt(step.bucket)
    rules = rules_to_set(step)
    if rules:
        # Read again: all rules of the bucket are written, and those of others may be new.
        lifecycle = service.lifecycle(step.bucket)
        merged = lifecycle.rules
        for rule in rules:
            merged = with_rule(merged, rule)
        service.set_lifecycle(step.bucket, replace(lifecycle, rules=merged))


def _create(step: BucketStep, service: BucketAdministration) -> None:
    try:
        service.create(step.bucket)
    except AlreadyExistsError:  # of our own, made meanwhile
        return
