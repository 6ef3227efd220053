"""What somebody may do, as IAM answers it.

Facts: SimulatePrincipalPolicy in the IAM API reference.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from celery_aws.aws.access import Access, beside
from celery_aws.aws.clients import client_for
from celery_aws.aws.errors import translated

#: By action and resource: ``allowed``, ``explicitDeny`` or ``implicitDeny``.
Decisions = Mapping[tuple[str, str], str]

_SESSION = re.compile(
    r"arn:(?P<partition>[^:]+):sts::(?P<account>\d+):assumed-role/(?P<role>[^/]+)/"
)
_USER = re.compile(r"arn:[^:]+:iam::\d+:(user|role)/")


class PermissionService(Protocol):
    """What is asked of IAM; raises ``AwsError``."""

    def simulate(
        self,
        principal: str,
        actions: Sequence[str],
        resources: Sequence[str],
        context: Mapping[str, Sequence[str]],
    ) -> Decisions:
        """Return what a user or role may do (SimulatePrincipalPolicy).

        Args:
            principal: ARN of the user or role.
            actions: such as ``sqs:SendMessage``.
            resources: ARNs.
            context: values of condition keys that a request would have.

        Costs one request, free; more where the answer leaves resources out.
        """


class IamPermissionService:
    """:class:`PermissionService` on boto3.

    Args:
        access: of the broker or of the results.
    """

    def __init__(self, access: Access) -> None:
        self.access = beside(access)

    def simulate(
        self,
        principal: str,
        actions: Sequence[str],
        resources: Sequence[str],
        context: Mapping[str, Sequence[str]],
    ) -> Decisions:
        """Return what a user or role may do."""
        decisions: dict[tuple[str, str], str] = {}
        while left := [each for each in resources if (actions[0], each) not in decisions]:
            before = len(decisions)
            decisions.update(self._ask(principal, actions, left, context))
            if len(decisions) == before:
                break
        return decisions

    def _ask(
        self,
        principal: str,
        actions: Sequence[str],
        resources: Sequence[str],
        context: Mapping[str, Sequence[str]],
    ) -> dict[tuple[str, str], str]:
        request: dict[str, Any] = {
            "PolicySourceArn": principal,
            "ActionNames": list(actions),
            "ResourceArns": list(resources),
            "ContextEntries": [
                {
                    "ContextKeyName": key,
                    "ContextKeyValues": list(values),
                    "ContextKeyType": "stringList" if len(values) > 1 else "string",
                }
                for key, values in context.items()
            ],
        }
        found: dict[tuple[str, str], str] = {}
        with translated("iam", "SimulatePrincipalPolicy", principal):
            pages = client_for("iam", self.access).get_paginator("simulate_principal_policy")
            for page in pages.paginate(**request):
                for result in page["EvaluationResults"]:
                    found.update(_decisions(result))
        return found


def simulated_principal(arn: str) -> str | None:
    """Return whose policies decide for who asks, or None if IAM cannot simulate that.

    Args:
        arn: of GetCallerIdentity. A session of a role does not tell the role's path, if it has one.
            The account's root user has no policies.
    """
    session = _SESSION.match(arn)
    if session is not None:
        return f"arn:{session['partition']}:iam::{session['account']}:role/{session['role']}"
    return arn if _USER.match(arn) else None


def _decisions(result: Mapping[str, Any]) -> dict[tuple[str, str], str]:
    action = str(result["EvalActionName"])
    specific = result.get("ResourceSpecificResults", ())
    if specific:
        return {
            (action, str(each["EvalResourceName"])): str(each["EvalResourceDecision"])
            for each in specific
        }
    return {(action, str(result.get("EvalResourceName", "*"))): str(result["EvalDecision"])}
