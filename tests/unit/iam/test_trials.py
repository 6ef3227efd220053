import pytest

from celery_aws.aws.access import Access
from celery_aws.errors import AccessDeniedError
from celery_aws.iam import trials
from celery_aws.iam.checking import Verdict
from celery_aws.iam.document import Statement
from celery_aws.iam.resources import Resources
from tests.unit.iam.deployments import deployment_with, identity, queue_url

pytestmark = pytest.mark.usefixtures("bare_environment")

OTHER_REGION = "us-east-1"


class Sqs:
    """Denies, and tells who has asked where."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def queue_attributes(self, *_: object) -> None:
        key = self._access.credentials
        raise AccessDeniedError(f"{self._access.region} {key and key.access_key_id}")


def test_a_predefined_queue_is_asked_as_the_broker_asks_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(trials, "SqsQueueService", Sqs)
    queue = {
        "url": queue_url("theirs", region=OTHER_REGION),
        "region": OTHER_REGION,
        "access_key_id": "AKIATHEIRS",
        "secret_access_key": "secret",
    }
    deployment = deployment_with(predefined_queues={"celery": queue})
    found = Resources(deployment=deployment, identity=identity())
    action, resource = "sqs:GetQueueAttributes", found.queue(deployment.queues[0])
    statement = Statement(sid="X", actions=(action,), resources=(resource,))
    checked = trials.HarmlessTrials(found).try_action(action, resource, statement)
    assert checked.verdict is Verdict.DENIED
    assert "us-east-1 AKIATHEIRS" in checked.evidence
