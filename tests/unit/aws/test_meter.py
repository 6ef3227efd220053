import threading
from itertools import count
from uuid import UUID

import celery_aws
from celery_aws.aws.access import Access
from celery_aws.aws.meter import MOST_ROWS, RequestMeter, process_meter
from celery_aws.aws.sqs import SqsQueueService
from celery_aws.core.inboxes import inbox_name
from celery_aws.core.request_usage import RequestUsage, UsageRow
from celery_aws.names import QueueName
from tests.unit.aws.canned import Answer, CannedAws, refusal

URL = "https://sqs.eu-west-1.amazonaws.com/123456789012/q"


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


def test_a_row_has_requests_and_units_of_one_queue() -> None:
    meter = RequestMeter()
    meter.count("sqs", "SendMessage", URL)
    meter.count("sqs", "SendMessage", "q")
    meter.add_units("sqs", "SendMessage", URL, 3)
    meter.count("sqs", "SendMessage", "other")
    assert meter.usage().rows == (
        UsageRow(service="sqs", operation="SendMessage", resource="other", requests=1),
        UsageRow(service="sqs", operation="SendMessage", resource="q", requests=2, units=3.0),
    )
    assert meter.counts() == {("sqs", "SendMessage"): 3}


def test_what_another_counted_is_added() -> None:
    meter, other = RequestMeter(), RequestMeter()
    meter.count("sqs", "SendMessage", "q")
    other.count("sqs", "SendMessage", "q")
    other.add_units("dynamodb", "PutItem", "t", 2.5)
    meter.add(other.usage())
    assert meter.usage() == other.usage() + RequestUsage(
        rows=(UsageRow(service="sqs", operation="SendMessage", resource="q", requests=1),)
    )


def test_thousands_of_queues_are_a_bounded_number_of_rows() -> None:
    meter = RequestMeter()
    for number in range(3 * MOST_ROWS):
        meter.count("sqs", "SendMessage", f"queue-{number}")
        meter.count("sqs", "ReceiveMessage", f"queue-{number}")
    usage = meter.usage()
    assert len(usage.rows) == MOST_ROWS + 2
    assert meter.counts() == {
        ("sqs", "ReceiveMessage"): 3 * MOST_ROWS,
        ("sqs", "SendMessage"): 3 * MOST_ROWS,
    }
    assert "*" in {row.resource for row in usage.rows}


def test_a_fleets_inboxes_are_one_row() -> None:
    meter = RequestMeter()
    for number in range(2_000):
        inbox = inbox_name("shop-", UUID(int=number).hex)
        meter.count("sqs", "SendMessage", f"https://sqs/123456789012/{inbox}")
    (row,) = meter.usage().rows
    assert (row.resource, row.requests) == ("shop-celery-inbox-*.fifo", 2_000)


def test_no_count_is_lost_between_threads() -> None:
    meter = RequestMeter()
    queues = count()

    def add() -> None:
        queue = f"queue-{next(queues) % 2}"
        for _ in range(500):
            meter.count("sqs", "SendMessage", queue)
            meter.add_units("sqs", "SendMessage", queue, 2)

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [(row.requests, row.units) for row in meter.usage().rows] == [(1_000, 2_000.0)] * 2


def test_a_process_has_one_meter() -> None:
    assert process_meter() is process_meter()
