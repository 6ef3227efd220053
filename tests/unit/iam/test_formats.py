import json

from celery_aws.iam import Role, policy
from celery_aws.iam.document import PolicyDocument
from celery_aws.iam.formats import as_cloudformation, as_json, as_terraform
from tests.unit.iam.deployments import deployment_with, identity


def worker() -> PolicyDocument:
    return policy(deployment_with(), Role.WORKER, identity())


def test_one_is_a_document_and_several_are_a_list() -> None:
    assert as_json([worker()]) == worker().as_json()
    assert as_json([worker(), worker()]) == [worker().as_json()] * 2


def test_cloudformation() -> None:
    template = as_cloudformation([worker()], "worker")
    (policy_resource,) = template["Resources"].values()
    assert policy_resource["Type"] == "AWS::IAM::ManagedPolicy"
    assert policy_resource["Properties"]["PolicyDocument"] == worker().as_json()
    several = as_cloudformation([worker(), worker()], "worker")
    assert list(several["Resources"]) == ["CeleryWorker1", "CeleryWorker2"]


def test_terraform() -> None:
    written = as_terraform([worker()], "worker")
    text = written["resource"]["aws_iam_policy"]["celery_worker"]["policy"]
    assert json.loads(text) == worker().as_json()
