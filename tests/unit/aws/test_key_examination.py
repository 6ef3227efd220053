import pytest

from celery_aws.aws.access import Access
from celery_aws.aws.key_examination import KeyState, KmsKeyExamination
from celery_aws.errors import AccessDeniedError
from tests.unit.aws.canned import Answer, CannedAws, refusal


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (
            Answer(body={"KeyMetadata": {"Enabled": True, "KeyState": "Enabled"}}),
            KeyState(usable=True, state="Enabled"),
        ),
        (
            Answer(
                body={
                    "KeyMetadata": {"KeyId": "k", "Enabled": False, "KeyState": "PendingDeletion"}
                }
            ),
            KeyState(usable=False, state="PendingDeletion"),
        ),
        (refusal("NotFoundException"), KeyState(usable=False, state="gone")),
    ],
    ids=["on", "off", "gone"],
)
def test_states(canned_aws: CannedAws, access: Access, answer: Answer, state: KeyState) -> None:
    canned_aws.answer("DescribeKey", answer)
    assert KmsKeyExamination(access).state("alias/shop") == state


def test_a_key_that_may_not_be_seen(canned_aws: CannedAws, access: Access) -> None:
    canned_aws.answer("DescribeKey", refusal("AccessDeniedException"))
    with pytest.raises(AccessDeniedError):
        KmsKeyExamination(access).state("alias/shop")
