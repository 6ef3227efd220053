"""Makes what an app needs on AWS, shows where it is not as it shall be, and takes it away."""

from celery_aws.provision.applying import apply
from celery_aws.provision.cloudformation import cloudformation
from celery_aws.provision.found import Found, FoundBucket, FoundQueue, FoundTable
from celery_aws.provision.planning import plan_of
from celery_aws.provision.reading import read
from celery_aws.provision.remains import Remains, read_remains
from celery_aws.provision.removal import remove
from celery_aws.provision.services import Services
from celery_aws.provision.steps import Difference, Plan, Step, Verdict
from celery_aws.provision.terraform import terraform

__all__ = [
    "Difference",
    "Found",
    "FoundBucket",
    "FoundQueue",
    "FoundTable",
    "Plan",
    "Remains",
    "Services",
    "Step",
    "Verdict",
    "apply",
    "cloudformation",
    "plan_of",
    "read",
    "read_remains",
    "remove",
    "terraform",
]
