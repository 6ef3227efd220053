"""Whether the role may do what it does: its policy, checked with the credentials here."""

from collections.abc import Iterator

from celery_aws.aws.access import Access
from celery_aws.aws.identity import Identity
from celery_aws.aws.permissions import IamPermissionService
from celery_aws.deployment import Deployment
from celery_aws.doctor.examined import Attempt, Outcome
from celery_aws.doctor.facts import Role
from celery_aws.iam import Role as PolicyRole
from celery_aws.iam import check, policy
from celery_aws.iam.resources import Resources
from celery_aws.iam.trials import HarmlessTrials


def attempts_of(
    deployment: Deployment, role: Role, identity: Identity, access: Access
) -> Iterator[Attempt]:
    """Ask IAM, or try, what the policy of a role says.

    Args:
        deployment: what of it can be asked.
        role: whose rights are looked at.
        identity: who asks.
        access: where IAM is, and who asks.

    Costs what :func:`celery_aws.iam.checking.check` does.
    """
    document = policy(deployment, PolicyRole(role), identity)
    resources = Resources(deployment=deployment, identity=identity)
    checked = check(
        document,
        identity,
        permissions=IamPermissionService(access),
        trials=HarmlessTrials(resources),
    )
    for statement in checked.statements:
        for each in statement.checks:
            yield Attempt(
                action=each.action,
                resource=each.resource,
                outcome=Outcome(each.verdict.value),
                reason=each.evidence,
            )
