import pytest

from celery_aws.aws.access import Access
from celery_aws.aws.queue_search import queues_beginning_with
from celery_aws.errors import AccessDeniedError
from tests.unit.aws.canned import Answer, CannedAws, refusal


def page(*names: str, after: str | None = None) -> Answer:
    urls = [f"https://sqs.eu-west-1.amazonaws.com/123456789012/{name}" for name in names]
    return Answer(body={"QueueUrls": urls, **({"NextToken": after} if after else {})})


def test_every_page_is_asked_for(canned_aws: CannedAws, access: Access) -> None:
    canned_aws.answer("ListQueues", page("hoge-a", "hoge-b", after="more"), page("hoge-c"))
    assert list(queues_beginning_with("hoge-", access)) == ["hoge-a", "hoge-b", "hoge-c"]
    assert canned_aws.parameters("ListQueues") == [
        {"QueueNamePrefix": "hoge-", "MaxResults": 1_000},
        {"QueueNamePrefix": "hoge-", "MaxResults": 1_000, "NextToken": "more"},
    ]


def test_without_a_prefix(canned_aws: CannedAws, access: Access) -> None:
    canned_aws.answer("ListQueues", Answer())
    assert list(queues_beginning_with("", access)) == []
    assert canned_aws.parameters("ListQueues") == [{"MaxResults": 1_000}]


def test_it_takes_a_right_of_its_own(canned_aws: CannedAws, access: Access) -> None:
    canned_aws.answer("ListQueues", refusal("AccessDeniedException"))
    with pytest.raises(AccessDeniedError):
        list(queues_beginning_with("hoge-", access))
