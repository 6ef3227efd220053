from datetime import datetime, timezone

import pytest

from celery_aws.aws.access import Access
from celery_aws.aws.greeting import answered_at, greet
from celery_aws.errors import CredentialsError, UnreachableError
from tests.unit.aws.canned import Answer, CannedAws, refusal

#: The loopback server's clock is this machine's.
ABOUT_NOW_SECONDS = 60

PAST = datetime(2026, 1, 1, tzinfo=timezone.utc)


def seconds_from_now(date: datetime | None) -> float:
    assert date is not None
    return abs((datetime.now(timezone.utc) - date).total_seconds())


def test_an_answer_has_a_date(canned_aws: CannedAws, access: Access) -> None:
    canned_aws.answer("GetQueueUrl", Answer(body={"QueueUrl": "http://127.0.0.1/1/celery"}))
    found = greet("sqs", access, "celery")
    assert found.refusal is None
    assert seconds_from_now(found.date) < ABOUT_NOW_SECONDS
    assert canned_aws.parameters("GetQueueUrl") == [{"QueueName": "celery"}]


def test_a_refusal_has_one_too(canned_aws: CannedAws, access: Access) -> None:
    canned_aws.answer("DescribeTable", refusal("UnrecognizedClientException"))
    found = greet("dynamodb", access, "celery")
    assert isinstance(found.refusal, CredentialsError)
    assert seconds_from_now(found.date) < ABOUT_NOW_SECONDS


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("Thu, 01 Jan 2026 00:00:00 GMT", PAST),
        ("Thu, 01 Jan 2026 00:00:00 -0000", PAST),
        ("Thu, 01 Jan 2026 01:00:00 +0100", PAST),
        ("soon", None),
        ("Mon, 99 Jan 2026 00:00:00 GMT", None),
        (None, None),
    ],
)
def test_dates(text: str | None, date: datetime | None) -> None:
    assert answered_at({"ResponseMetadata": {"HTTPHeaders": {"date": text}}}) == date


def test_an_answer_without_headers() -> None:
    assert answered_at({}) is None


def test_no_answer(canned_aws: CannedAws, access: Access) -> None:
    canned_aws.answer("GetQueueUrl", Answer(drop=True))
    with pytest.raises(UnreachableError):
        greet("sqs", access, "celery")
