import pytest

from celery_aws.aws.access import Access
from celery_aws.aws.permissions import IamPermissionService, simulated_principal
from celery_aws.errors import AccessDeniedError
from tests.unit.aws.canned import Answer, CannedAws

USER = "arn:aws:iam::123456789012:user/path/web"
ONE, TWO = (f"arn:aws:sqs:eu-west-1:123456789012:{name}" for name in ("one", "two"))
SEND = "sqs:SendMessage"


def result(resource: str, decision: str, specific: str = "") -> str:
    return (
        f"<member><EvalActionName>{SEND}</EvalActionName>"
        f"<EvalResourceName>{resource}</EvalResourceName>"
        f"<EvalDecision>{decision}</EvalDecision>{specific}</member>"
    )


def page(*results: str, marker: str = "") -> Answer:
    more = f"<IsTruncated>true</IsTruncated><Marker>{marker}</Marker>" if marker else ""
    body = (
        '<SimulatePrincipalPolicyResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/">'
        f"<SimulatePrincipalPolicyResult><EvaluationResults>{''.join(results)}"
        f"</EvaluationResults>{more}</SimulatePrincipalPolicyResult>"
        "</SimulatePrincipalPolicyResponse>"
    )
    return Answer(body=body, content_type="text/xml")


def test_one_request_for_several_resources(canned_aws: CannedAws, access: Access) -> None:
    canned_aws.answer(
        "SimulatePrincipalPolicy", page(result(ONE, "allowed"), result(TWO, "explicitDeny"))
    )
    context = {"dynamodb:LeadingKeys": ["a", "b"], "kms:ViaService": ["sqs"]}
    found = IamPermissionService(access).simulate(USER, [SEND], [ONE, TWO], context)
    assert found == {(SEND, ONE): "allowed", (SEND, TWO): "explicitDeny"}
    (asked,) = canned_aws.parameters("SimulatePrincipalPolicy")
    assert asked["PolicySourceArn"] == USER
    assert asked["ResourceArns.member.2"] == TWO
    assert asked["ContextEntries.member.1.ContextKeyType"] == "stringList"
    assert asked["ContextEntries.member.2.ContextKeyType"] == "string"


def test_pages(canned_aws: CannedAws, access: Access) -> None:
    pages = page(result(ONE, "allowed"), marker="more"), page(result(TWO, "allowed"))
    canned_aws.answer("SimulatePrincipalPolicy", *pages)
    assert len(IamPermissionService(access).simulate(USER, [SEND], [ONE, TWO], {})) == 2


def test_results_by_resource(canned_aws: CannedAws, access: Access) -> None:
    specific = "".join(
        f"<member><EvalResourceName>{arn}</EvalResourceName>"
        f"<EvalResourceDecision>{decision}</EvalResourceDecision></member>"
        for arn, decision in ((ONE, "allowed"), (TWO, "implicitDeny"))
    )
    specific = f"<ResourceSpecificResults>{specific}</ResourceSpecificResults>"
    canned_aws.answer("SimulatePrincipalPolicy", page(result("*", "implicitDeny", specific)))
    found = IamPermissionService(access).simulate(USER, [SEND], [ONE, TWO], {})
    assert found == {(SEND, ONE): "allowed", (SEND, TWO): "implicitDeny"}


def test_resources_that_an_answer_leaves_out_are_asked_for_again(
    canned_aws: CannedAws, access: Access
) -> None:
    pages = page(result(ONE, "allowed")), page(result(TWO, "allowed"))
    canned_aws.answer("SimulatePrincipalPolicy", *pages)
    assert len(IamPermissionService(access).simulate(USER, [SEND], [ONE, TWO], {})) == 2


def test_and_not_for_ever(canned_aws: CannedAws, access: Access) -> None:
    canned_aws.answer("SimulatePrincipalPolicy", page(result(ONE, "allowed")))
    assert IamPermissionService(access).simulate(USER, [SEND], [ONE, TWO], {}) == {
        (SEND, ONE): "allowed"
    }
    assert len(canned_aws.asked) == 2


def test_a_refusal(canned_aws: CannedAws, access: Access) -> None:
    body = (
        "<ErrorResponse><Error><Code>AccessDenied</Code><Message>User: x is not authorized to "
        "perform: iam:SimulatePrincipalPolicy on resource: y</Message></Error></ErrorResponse>"
    )
    denied = Answer(status=403, body=body, content_type="text/xml")
    canned_aws.answer("SimulatePrincipalPolicy", denied)
    with pytest.raises(AccessDeniedError, match="iam:SimulatePrincipalPolicy"):
        IamPermissionService(access).simulate(USER, [SEND], [ONE], {})


def test_principals() -> None:
    assert simulated_principal(USER) == USER
    session = "arn:aws-cn:sts::123456789012:assumed-role/worker/i-01"
    assert simulated_principal(session) == "arn:aws-cn:iam::123456789012:role/worker"
    assert simulated_principal("arn:aws:iam::123456789012:root") is None
    assert simulated_principal("arn:aws:sts::123456789012:federated-user/bob") is None
