"""What an app needs on AWS: queues, tables, buckets."""

from celery_aws.deployment.app_deployment import deployment_of, is_ours
from celery_aws.deployment.app_queues import declare_priorities
from celery_aws.deployment.resources import Deployment, PlannedBucket, PlannedTable, ResultKeys

__all__ = [
    "Deployment",
    "PlannedBucket",
    "PlannedTable",
    "ResultKeys",
    "declare_priorities",
    "deployment_of",
    "is_ours",
]
