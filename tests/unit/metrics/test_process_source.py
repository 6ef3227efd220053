from celery_aws.broker.status import DeliveryRecord, DeliveryStatus
from celery_aws.core.request_usage import RequestUsage, UsageRow
from celery_aws.metrics.process_source import DeliverySource, UsageSource
from celery_aws.metrics.samples import Source
from celery_aws.names import TableName
from celery_aws.testing.clock import START


def values(source: Source) -> dict[tuple[str, ...], object]:
    return {(each.metric.name, *each.labels): each.value for each in source.samples()}


def test_requests_units_and_results() -> None:
    usage = RequestUsage(
        rows=(
            UsageRow(service="dynamodb", operation="GetItem", resource="results", requests=7),
            UsageRow(
                service="dynamodb", operation="PutItem", resource="results", requests=3, units=4.0
            ),
            UsageRow(service="dynamodb", operation="PutItem", resource="other", requests=9),
        )
    )
    table = TableName("arn:aws:dynamodb:eu-west-1:123456789012:table/results")
    found = values(UsageSource(table, lambda: usage))
    put = ("dynamodb", "PutItem", "results")
    told = {name: value for (name, *labels), value in found.items() if tuple(labels) == put}
    assert told == {"celery_aws_requests_total": 3, "celery_aws_billing_units_total": 4}
    assert found["celery_aws_results_stored_total",] == 3
    assert ("celery_aws_results_stored_total",) not in values(UsageSource(None, lambda: usage))


def test_what_the_brokers_threads_did() -> None:
    status = DeliveryStatus(
        last_polls={"celery": START, "new": None},
        held=2,
        polls=9,
        empty_polls=4,
        received=11,
        unsettled=1,
        settled_later=6,
        leases_lost=3,
        moved=5,
    )
    found = values(DeliverySource(lambda: status))
    assert found["celery_aws_last_poll_timestamp_seconds", "celery"] == START.timestamp()
    assert found["celery_aws_last_poll_timestamp_seconds", "new"] == 0
    assert {name: value for (name, *labels), value in found.items() if value and not labels} == {
        "celery_aws_messages_held": 2,
        "celery_aws_polls_total": 9,
        "celery_aws_empty_polls_total": 4,
        "celery_aws_messages_received_total": 11,
        "celery_aws_acks_failed_total": 1,
        "celery_aws_acks_retried_total": 6,
        "celery_aws_leases_lost_total": 3,
        "celery_aws_scheduled_tasks_moved_total": 5,
    }


def test_polls_are_counted_with_what_they_bring() -> None:
    record = DeliveryRecord()
    for messages in (0, 3, 0):
        record.count_poll(messages)
    status = record.status()
    assert (status.polls, status.empty_polls, status.received) == (3, 2, 3)
