"""``sts_role_arn``: who may assume the role that makes the requests, and who that role trusts.

Facts: AssumeRole in the STS API reference; "Granting a user permissions to switch roles" in the IAM
user guide: both sides have to allow it between accounts, the trust policy always.
"""

from celery_aws.deployment import Deployment
from celery_aws.iam.document import PolicyDocument, Statement

_ACTION = ("sts:AssumeRole",)


def assumed_roles(deployment: Deployment) -> tuple[str, ...]:
    """Return the ARNs of the roles that an app's processes assume."""
    accesses = [deployment.broker] if deployment.broker is not None else []
    accesses += [table.access for table in deployment.tables]
    roles = (access.role.role_arn for access in accesses if access.role is not None)
    return tuple(dict.fromkeys(roles))


def caller_policy(roles: tuple[str, ...]) -> PolicyDocument:
    """Return what who assumes roles needs, and nothing else."""
    return PolicyDocument(
        statements=(Statement(sid="AssumeRole", actions=_ACTION, resources=roles),)
    )


def trust_policy(principals: tuple[str, ...]) -> PolicyDocument:
    """Return the trust policy of such a role.

    Args:
        principals: ARNs of who may assume it.
    """
    return PolicyDocument(
        statements=(Statement(sid="TrustCaller", actions=_ACTION, principals=principals),)
    )
