import json
from datetime import date, datetime, timedelta, timezone

import pytest

from celery_aws.core.request_usage import RequestUsage, UsageRow
from celery_aws.core.usage_records import UsageRecord
from celery_aws.cost.money import Currency
from celery_aws.cost.report_text import text_lines
from celery_aws.cost.spending import Spending, month_bounds, spending
from celery_aws.cost.spending_report import is_over, spending_facts, spending_sections
from celery_aws.prices import packaged_prices

BOOK = packaged_prices()
FIRST = datetime(2026, 11, 1, tzinfo=timezone.utc)


def row(name: str, resource: str, units: float) -> UsageRow:
    service, _, operation = name.partition(".")
    return UsageRow(
        service=service, operation=operation, resource=resource, requests=int(units), units=units
    )


def record(process: str, *rows: UsageRow, since: datetime = FIRST) -> UsageRecord:
    return UsageRecord(
        day=since.date(),
        process=process,
        node=f"celery@{process}",
        since=since,
        until=since + timedelta(days=1),
        usage=RequestUsage(rows=rows),
    )


RECORDS = (
    record(
        "a",
        row("dynamodb.PutItem", "results", 1e6),
        row("sqs.ReceiveMessage", "mail", 2e6),
        row("sqs.ReceiveMessage", "mail-inbox-*.fifo", 1e6),
    ),
    record("b", row("sqs.ReceiveMessage", "mail", 1e6)),
)


def of(now: datetime, *, region: str = "us-east-1", free: bool = True) -> Spending:
    return spending("2026-11", RECORDS, BOOK, region, now=now, free=free)


def test_a_bill_by_hand() -> None:
    found = of(FIRST + timedelta(days=15), free=False)
    assert found.bill.dollars == pytest.approx(0.625 + 3 * 0.40 + 0.50)
    assert found.dollars_by_resource == {
        "mail": pytest.approx(1.20),
        "results": pytest.approx(0.625),
        "mail-inbox-*.fifo": pytest.approx(0.50),
    }
    assert found.processes == 2
    assert found.month_bill is not None
    assert found.month_bill.dollars == pytest.approx(2 * found.bill.dollars)


def test_what_is_free_is_free_once_in_the_whole_month() -> None:
    found = of(FIRST + timedelta(days=15))
    assert found.bill.dollars == pytest.approx(0.625 + 2 * 0.40 + 0.50)
    assert found.month_bill is not None
    assert found.month_bill.dollars == pytest.approx(2 * 0.625 + 5 * 0.40 + 2 * 0.50)


def test_a_month_that_is_over_is_what_it_was() -> None:
    found = of(FIRST + timedelta(days=60))
    assert found.until == datetime(2026, 12, 1, tzinfo=timezone.utc)
    assert found.month_bill is not None
    assert found.month_bill.dollars == pytest.approx(found.bill.dollars)


def test_a_month_that_is_over_is_not_made_more_by_days_without_records() -> None:
    late = record("a", row("dynamodb.PutItem", "results", 1e6), since=FIRST + timedelta(days=20))
    found = spending("2026-11", [late], BOOK, "us-east-1", now=FIRST + timedelta(days=60))
    assert found.month_bill is not None
    assert found.month_bill.dollars == found.bill.dollars == pytest.approx(0.625)
    assert not is_over(found, 1.0)


def test_what_began_within_the_month_is_scaled_from_there() -> None:
    late = record("a", row("dynamodb.PutItem", "results", 1e6), since=FIRST + timedelta(days=20))
    found = spending("2026-11", [late], BOOK, "us-east-1", now=FIRST + timedelta(days=25))
    assert found.month_bill is not None
    assert found.month_bill.dollars == pytest.approx(6 * 0.625)


def test_after_minutes_it_is_too_early() -> None:
    assert of(FIRST + timedelta(minutes=59)).month_bill is None
    assert of(FIRST + timedelta(minutes=60)).month_bill is not None


def test_without_records_nothing_is_known() -> None:
    found = spending("2026-11", [], BOOK, "us-east-1", now=FIRST)
    assert found.since is None
    assert "no worker has written anything down" in next(text_lines(spending_sections(found)))
    assert not is_over(found, 0.01)


def test_a_budget() -> None:
    found = of(FIRST + timedelta(days=15), free=False)
    assert not is_over(found, None)
    assert not is_over(found, 5)
    # By the end of the month.
    assert is_over(found, 3)
    assert is_over(found, 2)


def test_as_text() -> None:
    found = of(FIRST + timedelta(days=15), free=False)
    yen = Currency(code="JPY", rate=100)
    text = "\n".join(text_lines(spending_sections(found, budget=3.0, currency=yen)))
    assert "from 2026-11-01 00:00 to 2026-11-16 00:00 UTC, 2 processes: JPY 233" in text
    assert "at the end of the month, if it goes on like this: JPY 465" in text
    assert "budget: JPY 300, exceeded, now or by then" in text
    assert "sqs.ReceiveMessage mail" in text


def test_as_json() -> None:
    found = of(FIRST + timedelta(days=15))
    facts = json.loads(json.dumps(spending_facts(found, budget=100.0)))
    assert facts["so_far"]["dollars"] == found.bill.dollars
    assert facts["over_budget"] is False
    assert facts["usage"]["sqs_units"] == 4e6
    assert facts["since"] == "2026-11-01T00:00:00+00:00"


def test_a_region_without_prices_is_said_to_have_none() -> None:
    found = of(FIRST + timedelta(days=15), region="eu-west-1")
    assert not found.bill.complete
    assert "no price" in next(text_lines(spending_sections(found)))


def test_of_a_budget_without_prices_nothing_is_promised() -> None:
    found = of(FIRST + timedelta(days=15), region="eu-west-1")
    text = "\n".join(text_lines(spending_sections(found, budget=1.0)))
    assert "kept to nobody knows without a price for" in text
    assert "1.00, kept to" not in text


@pytest.mark.parametrize("month", ["2026", "2026-13", "November", "2026-11-01", "2026-1"])
def test_what_is_no_month(month: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        month_bounds(month)


def test_the_bounds_of_december() -> None:
    begin, end = month_bounds("2026-12")
    assert (begin.date(), end.date()) == (date(2026, 12, 1), date(2027, 1, 1))
