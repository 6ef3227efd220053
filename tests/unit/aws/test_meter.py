import threading

import celery_aws
from celery_aws.aws.access import Access
from celery_aws.aws.meter import RequestMeter, process_meter
from celery_aws.aws.sqs import SqsQueueService
from celery_aws.names import QueueName
from tests.unit.aws.canned import Answer, CannedAws, refusal


def test_requests_are_counted_by_operation_with_retries(
    canned_aws: CannedAws, access: Access
) -> None:
    found = Answer(body={"QueueUrl": "http://sqs/1/q"})
    canned_aws.answer("GetQueueUrl", refusal("InternalError", status=500), found)
    service = SqsQueueService(access)
    url = service.queue_url(QueueName("q"))
    service.queue_url(QueueName("q"))
    assert url == "http://sqs/1/q"
    assert celery_aws.request_counts() == {"sqs.GetQueueUrl": 3}
    assert len(canned_aws.asked) == 3


def test_counts_are_a_copy() -> None:
    meter = RequestMeter()
    meter.count("sqs", "SendMessage")
    meter.counts().clear()
    assert meter.counts() == {("sqs", "SendMessage"): 1}


def test_no_count_is_lost_between_threads() -> None:
    meter = RequestMeter()

    def count() -> None:
        for _ in range(500):
            meter.on_before_send("before-send.sqs.SendMessage")

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert meter.counts() == {("sqs", "SendMessage"): 2000}


def test_a_process_has_one_meter() -> None:
    assert process_meter() is process_meter()
