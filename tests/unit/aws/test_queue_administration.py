from celery_aws.aws.access import Access
from celery_aws.aws.queue_administration import SqsQueueAdministration
from tests.unit.aws.canned import Answer, CannedAws


def test_queues_are_listed_to_the_last_page(canned_aws: CannedAws, access: Access) -> None:
    canned_aws.answer(
        "ListQueues",
        Answer(body={"QueueUrls": ["https://a/1/x-1"], "NextToken": "more"}),
        Answer(body={"QueueUrls": ["https://a/1/x-2"]}),
    )
    found = SqsQueueAdministration(access).queues_named("x-")
    assert found == ["https://a/1/x-1", "https://a/1/x-2"]
    first, second = canned_aws.parameters("ListQueues")
    assert first == {"QueueNamePrefix": "x-", "MaxResults": 1000}
    assert second == {**first, "NextToken": "more"}
