import base64
import json
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from celery_aws.core.attributes import binary, binary_of, item_bytes, number, text
from celery_aws.core.packed_text import unpack_text
from celery_aws.core.request_usage import RequestUsage, UsageRow
from celery_aws.core.table_keys import SORT
from celery_aws.core.usage_records import (
    UsageRecord,
    is_due,
    month_of,
    record_item,
    record_of,
    seconds_until_tomorrow,
    usage_partition,
)

GOLDEN = Path(__file__).parents[2] / "golden" / "usage" / "record.json"

MORNING = datetime(2026, 11, 7, 6, tzinfo=timezone.utc)


def row(name: str, resource: str, requests: int, units: float) -> UsageRow:
    service, _, operation = name.partition(".")
    return UsageRow(
        service=service, operation=operation, resource=resource, requests=requests, units=units
    )


RECORD = UsageRecord(
    day=date(2026, 11, 7),
    process="0123456789abcdef",
    node="celery@shop-7f",
    since=MORNING,
    until=MORNING + timedelta(hours=2),
    usage=RequestUsage(
        rows=(
            row("dynamodb.Query", "celery-coordination", 9, 4.5),
            row("sqs.ReceiveMessage", "shop-celery", 360, 360.0),
        )
    ),
)


def test_golden() -> None:
    golden = json.loads(GOLDEN.read_text())
    item = record_item(RECORD)
    packed = binary_of(item, "usage")
    assert packed is not None
    # Another zlib may make other bytes: what is in it is compared.
    readable = {**item, "usage": {"B": json.loads(unpack_text(packed))}}
    assert readable == golden["readable"]
    stored = {**golden["readable"], "usage": binary(base64.b64decode(golden["packed"]))}
    assert record_of(stored, "2026-11") == RECORD


ROWS = st.builds(
    row,
    st.sampled_from(["sqs.SendMessage", "sqs.ReceiveMessage", "dynamodb.PutItem"]),
    st.text(max_size=30),
    st.integers(0, 10**9),
    st.integers(0, 10**9).map(lambda halves: halves / 2),
)


@given(st.lists(ROWS, max_size=5), st.text(max_size=40))
def test_a_record_is_read_as_it_was_written(rows: list[UsageRow], node: str) -> None:
    usage = RequestUsage()
    for each in rows:
        usage += RequestUsage(rows=(each,))
    record = replace(RECORD, usage=usage, node=node)
    assert record_of(record_item(record), month_of(record.day)) == record


def test_fifty_rows_are_one_write_unit() -> None:
    operations = ("sqs.ReceiveMessage", "sqs.DeleteMessageBatch", "sqs.SendMessage")
    rows = sorted(
        row(operations[number % 3], f"shop-queue-{number:02}", 1_000 * number + 7, 1e3 * number)
        for number in range(50)
    )
    assert item_bytes(record_item(replace(RECORD, usage=RequestUsage(rows=tuple(rows))))) <= 1_024


@pytest.mark.parametrize(
    "item",
    [
        {},
        {SORT: text("07#x")},
        {**record_item(RECORD), SORT: text("x")},
        {**record_item(RECORD), "usage": binary(b"x")},
        {**record_item(RECORD), "usage": number(1)},
    ],
)
def test_what_is_no_record(item: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        record_of(item, "2026-11")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("requests", "seconds", "due"),
    [
        (0, 1e6, False),
        (1, 14_399, False),
        (1, 14_400, True),
        (1_999, 900, False),
        (2_000, 900, True),
        (2_000, 899, False),
    ],
)
def test_when_a_record_is_worth_a_request(requests: int, seconds: float, due: bool) -> None:
    assert is_due(requests, seconds) is due


def test_where_months_and_days_are() -> None:
    assert usage_partition(month_of(date(2026, 2, 3))) == "usage#2026-02"
    assert seconds_until_tomorrow(MORNING) == 18 * 3_600
    end = datetime(2026, 12, 31, 23, 59, 59, tzinfo=timezone.utc)
    assert seconds_until_tomorrow(end) == 1
