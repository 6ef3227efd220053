from collections.abc import Mapping, Sequence

import pytest

from celery_aws.aws.identity import Identity
from celery_aws.aws.permissions import Decisions
from celery_aws.errors import AccessDeniedError, AwsError
from celery_aws.iam.checking import ActionCheck, PolicyCheck, Verdict, check
from celery_aws.iam.document import PolicyDocument, Statement
from tests.unit.iam.deployments import ACCOUNT

QUEUE = f"arn:aws:sqs:eu-west-1:{ACCOUNT}:celery"
INBOXES = f"arn:aws:sqs:eu-west-1:{ACCOUNT}:celery-inbox-*.fifo"
TABLE = f"arn:aws:dynamodb:eu-west-1:{ACCOUNT}:table/celery"
DOCUMENT = PolicyDocument(
    statements=(
        Statement(sid="Send", actions=("sqs:GetQueueUrl", "sqs:SendMessage"), resources=(QUEUE,)),
        Statement(sid="Inbox", actions=("sqs:ReceiveMessage",), resources=(INBOXES,)),
        Statement(
            sid="Park",
            actions=("dynamodb:PutItem",),
            resources=(TABLE,),
            conditions={"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ("schedule#*",)}},
        ),
        Statement(sid="Not", actions=("sqs:*",), resources=("*",), effect="Deny"),
    )
)


class Simulation:
    """IAM as it would answer."""

    def __init__(
        self, *denied: str, refusal: AwsError | None = None, denial: str = "implicitDeny"
    ) -> None:
        self._denied = denied
        self._denial = denial
        self._refusal = refusal
        self.asked: list[tuple[str, tuple[str, ...], Mapping[str, Sequence[str]]]] = []

    def simulate(
        self,
        principal: str,
        actions: Sequence[str],
        resources: Sequence[str],
        context: Mapping[str, Sequence[str]],
    ) -> Decisions:
        if self._refusal is not None:
            raise self._refusal
        self.asked.append((principal, tuple(resources), context))
        return {
            (action, resource): self._denial if action in self._denied else "allowed"
            for action in actions
            for resource in resources
        }


class Trials:
    """Calls that are all allowed, but for those that nobody can try."""

    def __init__(self, *unknown: str) -> None:
        self._unknown = unknown

    def try_action(self, action: str, resource: str, statement: Statement) -> ActionCheck:
        verdict = Verdict.UNKNOWN if action in self._unknown else Verdict.ALLOWED
        return ActionCheck(action=action, resource=resource, verdict=verdict, evidence="tried")


def who(arn: str = f"arn:aws:iam::{ACCOUNT}:user/web") -> Identity:
    return Identity(account=ACCOUNT, arn=arn)


def checked(simulation: Simulation, identity: Identity | None = None, *unknown: str) -> PolicyCheck:
    return check(DOCUMENT, identity or who(), permissions=simulation, trials=Trials(*unknown))


def verdicts(report: PolicyCheck) -> dict[str, Verdict]:
    return {each.sid: each.verdict for each in report.statements}


def test_everything_is_allowed() -> None:
    report = checked(Simulation())
    assert verdicts(report) == dict.fromkeys(("Send", "Inbox", "Park"), Verdict.ALLOWED)
    assert report.verdict is Verdict.ALLOWED


def test_one_denial_is_one_of_its_statement() -> None:
    report = checked(Simulation("sqs:SendMessage"), None, "sqs:SendMessage")
    assert verdicts(report)["Send"] is Verdict.DENIED
    assert verdicts(report)["Inbox"] is Verdict.ALLOWED
    assert report.verdict is Verdict.DENIED
    (denied,) = [each for each in report.statements[0].checks if each.verdict is Verdict.DENIED]
    assert (denied.action, denied.resource) == ("sqs:SendMessage", QUEUE)
    assert "implicitDeny" in denied.evidence


def test_what_the_policy_of_the_queue_allows_is_not_denied() -> None:
    simulation = Simulation("sqs:GetQueueUrl", "sqs:SendMessage")
    report = checked(simulation, None, "sqs:SendMessage")
    assert [each.verdict for each in report.statements[0].checks] == [
        Verdict.ALLOWED,  # tried
        Verdict.UNKNOWN,  # cannot be tried, and the same policy may allow it
    ]
    assert all("implicitDeny; a call: " in each.evidence for each in report.statements[0].checks)


def test_a_pattern_has_no_policy_of_its_own() -> None:
    report = checked(Simulation("sqs:ReceiveMessage"))
    assert verdicts(report)["Inbox"] is Verdict.DENIED


def test_what_is_denied_by_a_policy_is_not_tried() -> None:
    report = checked(Simulation("sqs:GetQueueUrl", denial="explicitDeny"))
    assert verdicts(report)["Send"] is Verdict.DENIED


def test_patterns_and_conditions_are_asked_for_by_example() -> None:
    simulation = Simulation()
    checked(simulation)
    _, inbox, park = simulation.asked
    assert inbox[1] == (INBOXES.replace("*", "0"),)
    assert park[2] == {"dynamodb:LeadingKeys": ["schedule#0"]}


def test_a_session_is_simulated_as_its_role() -> None:
    simulation = Simulation()
    checked(simulation, who(f"arn:aws:sts::{ACCOUNT}:assumed-role/worker/i-0123"))
    assert {principal for principal, _, _ in simulation.asked} == {
        f"arn:aws:iam::{ACCOUNT}:role/worker"
    }


@pytest.mark.parametrize("unknown", ["sqs:SendMessage", "sqs:ReceiveMessage"])
def test_what_cannot_be_simulated_is_tried(unknown: str) -> None:
    refusal = AccessDeniedError("no", service="iam", operation="SimulatePrincipalPolicy")
    report = checked(Simulation(refusal=refusal), None, unknown)
    assert report.verdict is Verdict.UNKNOWN
    assert "SimulatePrincipalPolicy" in report.how


def test_the_root_user_is_not_simulated() -> None:
    simulation = Simulation()
    report = checked(simulation, who(f"arn:aws:iam::{ACCOUNT}:root"))
    assert not simulation.asked
    assert report.verdict is Verdict.ALLOWED
    assert "calls that change nothing" in report.how
