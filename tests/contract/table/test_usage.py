"""Records of usage, as AWS keeps them."""

from datetime import date, datetime, timezone

import pytest

from celery_aws.core.request_usage import RequestUsage, UsageRow
from celery_aws.core.usage_records import UsageRecord
from celery_aws.errors import TableNotFoundError
from celery_aws.table.coordination import CoordinationTable
from celery_aws.table.usage import UsageLog

NOON = datetime(2026, 11, 7, 12, tzinfo=timezone.utc)


def record(process: str, requests: int, day: int = 7) -> UsageRecord:
    row = UsageRow(
        service="sqs",
        operation="ReceiveMessage",
        resource="celery",
        requests=requests,
        units=requests - 0.5,
    )
    return UsageRecord(
        day=date(2026, 11, day),
        process=process,
        node="celery@a",
        since=NOON,
        until=NOON,
        usage=RequestUsage(rows=(row,)),
    )


def test_the_last_record_of_a_process_and_day_is_read(made_table: CoordinationTable) -> None:
    log = UsageLog(table=made_table)
    wanted = [record("a", 3), record("a", 4, day=8), record("b", 5)]
    for each in (record("a", 1), *wanted, record("b", 5)):
        log.put(each)
    found = sorted(log.month("2026-11"), key=lambda each: (each.process, each.day))
    assert found == wanted
    assert log.month("2026-10") == []


def test_no_table_is_made_for_it(table: CoordinationTable) -> None:
    log = UsageLog(table=table)
    assert log.month("2026-11") == []
    with pytest.raises(TableNotFoundError):
        log.put(record("a", 1))
