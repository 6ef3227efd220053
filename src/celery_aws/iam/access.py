"""How AWS is asked who somebody is, and what he may do."""

from celery_aws.aws.access import Access
from celery_aws.deployment import Deployment


def access_of(deployment: Deployment) -> Access:
    """Return the access of the broker, or of the results where the broker is another one."""
    if deployment.broker is not None:
        return deployment.broker
    return deployment.tables[0].access
