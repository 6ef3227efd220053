"""Whether AWS allows what a policy says, statement by statement, with the credentials here.

IAM is asked to simulate it. Where that is not permitted, or IAM knows no user or role of that name,
the calls are tried that change nothing; what cannot be tried without changing something, such as
ReceiveMessage, stays unknown. So too where the simulation knows of no permission: it leaves out the
resource's own policy, which may give it within an account ("Testing IAM policies" in the IAM user
guide).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Protocol

from celery_aws.aws.identity import Identity
from celery_aws.aws.permissions import Decisions, PermissionService, simulated_principal
from celery_aws.errors import AwsError
from celery_aws.iam.document import PolicyDocument, Statement

#: What stands for the stars and question marks of a pattern: part of an inbox's name, or of a key.
_ANYTHING = "0"

_SIMULATED = "IAM's simulation: "
_NOT_ALLOWED = f"{_SIMULATED}implicitDeny"


class Verdict(Enum):
    """What is known of a permission."""

    ALLOWED = "allowed"
    DENIED = "denied"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class ActionCheck:
    """What is known of one action on one resource.

    Attributes:
        action: such as ``sqs:SendMessage``.
        resource: the ARN, or a pattern.
        verdict: whether it is allowed.
        evidence: how that is known, or why it is not.
    """

    action: str
    resource: str
    verdict: Verdict
    evidence: str


@dataclass(frozen=True, kw_only=True)
class StatementCheck:
    """What is known of a statement.

    Attributes:
        sid: its name.
        checks: of its actions.
    """

    sid: str
    checks: tuple[ActionCheck, ...]

    @property
    def verdict(self) -> Verdict:
        """Denied if anything is, allowed if everything is."""
        return _verdict(self.checks)


@dataclass(frozen=True, kw_only=True)
class PolicyCheck:
    """What is known of a policy.

    Attributes:
        statements: one by one.
        how: how that was found out.
    """

    statements: tuple[StatementCheck, ...]
    how: str

    @property
    def verdict(self) -> Verdict:
        """Denied if anything is, allowed if everything is."""
        return _verdict(self.statements)


class Trials(Protocol):
    """Tries calls that change nothing; :class:`celery_aws.iam.trials.HarmlessTrials`."""

    def try_action(self, action: str, resource: str, statement: Statement) -> ActionCheck:
        """Return what a call of the action says, or that there is no such call."""


def check(
    document: PolicyDocument, identity: Identity, *, permissions: PermissionService, trials: Trials
) -> PolicyCheck:
    """Return what is known of a policy's statements that allow something.

    Args:
        document: the policy that is wanted.
        identity: whose permissions are asked for.
        permissions: simulates.
        trials: tries, where nothing can be simulated.

    Costs one SimulatePrincipalPolicy for each statement; if that is refused, or says that nothing
    allows it, a request for each action and resource that can be tried.
    """
    allowing = [each for each in document.statements if each.effect == "Allow"]
    principal = simulated_principal(identity.arn)
    reason = f"IAM simulates no {identity.arn}"
    if principal is not None:
        try:
            found = [_simulated(each, principal, permissions) for each in allowing]
            found = list(_with_resource_policies(found, allowing, trials))
            return PolicyCheck(statements=tuple(found), how=f"IAM's simulation of {principal}")
        except AwsError as error:
            # Not permitted or not reachable; or a role has a path, which its session hides.
            reason = str(error)
    return PolicyCheck(
        statements=tuple(_tried(each, trials) for each in allowing),
        how=f"calls that change nothing: {reason}",
    )


def _simulated(
    statement: Statement, principal: str, permissions: PermissionService
) -> StatementCheck:
    examples = {arn: _example(arn) for arn in statement.resources}
    decisions = permissions.simulate(
        principal,
        statement.actions,
        tuple(dict.fromkeys(examples.values())),
        _context(statement),
    )
    return StatementCheck(
        sid=statement.sid,
        checks=tuple(
            _decided(action, arn, decisions, example)
            for arn, example in examples.items()
            for action in statement.actions
        ),
    )


def _decided(action: str, arn: str, decisions: Decisions, example: str) -> ActionCheck:
    decision = decisions.get((action, example))
    if decision is None:
        verdict, evidence = Verdict.UNKNOWN, "IAM's simulation does not mention it"
    else:
        verdict = Verdict.ALLOWED if decision == "allowed" else Verdict.DENIED
        evidence = f"{_SIMULATED}{decision}"
    return ActionCheck(action=action, resource=arn, verdict=verdict, evidence=evidence)


def _with_resource_policies(
    found: Sequence[StatementCheck], statements: Sequence[Statement], trials: Trials
) -> Iterator[StatementCheck]:
    """Yield what is known when what nothing allows has been tried as well.

    Where a call that can be tried is allowed, the resource's own policy is at work, and may allow
    those too that cannot be tried. Patterns are left out: they stand for what is not there, has no
    policy, and is not told from what may not be seen.
    """
    tried = {
        (each.sid, one.action, one.resource): trials.try_action(one.action, one.resource, statement)
        for each, statement in zip(found, statements, strict=True)
        for one in each.checks
        if one.evidence == _NOT_ALLOWED and _example(one.resource) == one.resource
    }
    opened = {key[2] for key, trial in tried.items() if trial.verdict is Verdict.ALLOWED}
    for each in found:
        checks = (
            _after(one, tried.get((each.sid, one.action, one.resource)), opened)
            for one in each.checks
        )
        yield replace(each, checks=tuple(checks))


def _after(simulated: ActionCheck, trial: ActionCheck | None, opened: set[str]) -> ActionCheck:
    if trial is None:
        return simulated
    if trial.verdict is Verdict.UNKNOWN and simulated.resource not in opened:
        return simulated
    return replace(trial, evidence=f"{simulated.evidence}; a call: {trial.evidence}")


def _tried(statement: Statement, trials: Trials) -> StatementCheck:
    return StatementCheck(
        sid=statement.sid,
        checks=tuple(
            trials.try_action(action, arn, statement)
            for arn in statement.resources
            for action in statement.actions
        ),
    )


def _context(statement: Statement) -> Mapping[str, Sequence[str]]:
    """Return what a request would say of itself that meets the conditions."""
    return {
        key: [_example(value) for value in values]
        for keys in statement.conditions.values()
        for key, values in keys.items()
    }


def _example(pattern: str) -> str:
    if pattern == "*":
        return pattern
    return pattern.replace("*", _ANYTHING).replace("?", _ANYTHING)


def _verdict(checks: Iterable[ActionCheck | StatementCheck]) -> Verdict:
    verdicts = {each.verdict for each in checks}
    for verdict in (Verdict.DENIED, Verdict.UNKNOWN):
        if verdict in verdicts:
            return verdict
    return Verdict.ALLOWED
