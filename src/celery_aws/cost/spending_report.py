"""What a month has cost, as tables and sentences, and for programs."""

from collections.abc import Iterator
from typing import Any

from celery_aws.cost.money import DOLLARS, Currency
from celery_aws.cost.report import Section, Sentences, Table, bill_table, shown
from celery_aws.cost.report_json import bill_facts
from celery_aws.cost.spending import Spending


def is_over(spending: Spending, budget: float | None) -> bool:
    """Tell whether a month has cost more than its budget, or will have."""
    if budget is None:
        return False
    bills = filter(None, (spending.bill, spending.month_bill))
    return any(bill.dollars > budget for bill in bills)


def spending_sections(
    spending: Spending, *, budget: float | None = None, currency: Currency = DOLLARS
) -> Iterator[Section]:
    """Yield what there is to say of a month, in order."""
    yield Sentences(title="", lines=tuple(_sentences(spending, budget, currency)))
    if spending.since is None:
        return
    rows = [
        (resource or "-", currency.shown(dollars))
        for resource, dollars in spending.dollars_by_resource.items()
    ]
    yield Table(
        title="By queue, table and bucket",
        header=("", currency.code),
        rows=tuple(rows),
        numbers=frozenset({1}),
    )
    yield bill_table("By operation", spending.bill, currency)


def spending_facts(
    spending: Spending, *, budget: float | None = None, currency: Currency = DOLLARS
) -> dict[str, Any]:
    """Return a month in a form for JSON."""
    later = spending.month_bill
    return {
        "month": spending.month,
        "since": None if spending.since is None else spending.since.isoformat(),
        "until": spending.until.isoformat(),
        "processes": spending.processes,
        "currency": {"code": currency.code, "rate": currency.rate},
        "so_far": bill_facts(spending.bill, currency),
        "projected_dollars": None if later is None else later.dollars,
        "budget_dollars": budget,
        "over_budget": is_over(spending, budget),
        "dollars_by_resource": spending.dollars_by_resource,
        "usage": spending.usage.as_json(),
    }


def _sentences(spending: Spending, budget: float | None, currency: Currency) -> Iterator[str]:
    if spending.since is None:
        yield (
            f"{spending.month}: no worker has written anything down. It does after 15 minutes with "
            "tasks, or four hours without, if record_usage is on"
        )
        return
    yield (
        f"{spending.month}, workers only, from {spending.since:%Y-%m-%d %H:%M} to "
        f"{spending.until:%Y-%m-%d %H:%M} UTC, {spending.processes} processes: {currency.code} "
        f"{shown(spending.bill, currency)}"
    )
    if spending.month_bill is None:
        yield "too early to say what the month will have cost"
    else:
        yield (
            f"at the end of the month, if it goes on like this: {currency.code} "
            f"{shown(spending.month_bill, currency)}"
        )
    if budget is not None:
        yield f"budget: {currency.code} {currency.shown(budget)}, {_kept(spending, budget)}"


def _kept(spending: Spending, budget: float) -> str:
    if is_over(spending, budget):
        return "exceeded, now or by then"
    if not spending.bill.complete:
        missing = ", ".join(spending.bill.missing)
        return f"and whether it is kept to nobody knows without a price for {missing}"
    return "kept to"
