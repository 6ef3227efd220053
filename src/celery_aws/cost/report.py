"""A comparison as tables and sentences, before anybody decides how they look."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from celery_aws.core.prices import Price
from celery_aws.cost.advice import (
    crossing_sentence,
    price_remarks,
    remarks,
    used_prices,
    verdict,
)
from celery_aws.cost.bill import Bill
from celery_aws.cost.comparison import Comparison, Pair
from celery_aws.cost.money import DOLLARS, Currency
from celery_aws.cost.observation import Observation

#: Pairs that are shown, beside ours and stock.
_SHOWN_PAIRS: Final = 5


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows under a header.

    Attributes:
        title: of the table.
        header: a name for each column.
        rows: of as many cells.
        numbers: indices of the columns with numbers.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: frozenset[int] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Sentences:
    """Sentences under a title."""

    title: str
    lines: tuple[str, ...]


Section = Table | Sentences


def sections(
    comparison: Comparison,
    *,
    today: date,
    currency: Currency = DOLLARS,
    all_lines: bool = False,
    observation: Observation | None = None,
    measured: Bill | None = None,
) -> Iterator[Section]:
    """Yield what there is to say of a comparison, in order.

    Args:
        comparison: what was found.
        today: for the age of prices.
        currency: to show amounts in.
        all_lines: what every offer is made of, and not only ours and the cheapest other one.
        observation: where the workload comes from, if somebody was observed.
        measured: what a month of the observed requests costs, if there were any.
    """
    yield Sentences(title="", lines=tuple(_question(comparison)))
    if observation is not None:
        lines = (observation.sentence, *observation.remarks)
        yield Sentences(title="Observed", lines=lines)
    if measured is not None and measured.lines:
        title = f"as workers were metered: {shown(measured, currency)} a month"
        yield _lines(title, measured, currency)
    yield Sentences(title="Verdict", lines=(verdict(comparison, currency),))
    month = f"{currency.code} a month"
    for title, offered in (("Brokers", comparison.brokers), ("Results", comparison.stores)):
        rows = [
            _row(each.offer.title, each.bill, each.offer.objections, currency) for each in offered
        ]
        if rows:
            yield _table(title, ("", month, "remarks"), rows, numbers={1})
    rows = [
        _row(pair.title, pair.bill, pair.objections, currency) for pair in _shown_pairs(comparison)
    ]
    yield _table("Together, what is free counted once", ("", month, "remarks"), rows, numbers={1})
    yield from _made_of(comparison, currency, all_lines=all_lines)
    if comparison.crossings:
        lines = tuple(crossing_sentence(each) for each in comparison.crossings)
        yield Sentences(title=f"{comparison.ours.title} is", lines=lines)
    yield Sentences(
        title="Remarks", lines=(*remarks(comparison), *price_remarks(comparison, today))
    )
    yield price_table(used_prices(comparison))


def price_table(prices: Iterable[Price]) -> Table:
    """Return prices with their days and sources; always in dollars."""
    rows = [
        (
            price.key,
            price.region,
            " / ".join(f"{tier.dollars:g}" for tier in price.tiers),
            f"{price.per:,.0f} {price.unit.value}s" if price.per != 1 else price.unit.value,
            price.as_of.isoformat(),
            f"{price.confidence.value}: {price.source}",
        )
        for price in prices
    ]
    header = ("price of", "region", "USD", "for", "as of", "source")
    return _table("Prices", header, rows, numbers={2})


def shown(bill: Bill, currency: Currency) -> str:
    """Return the sum of a bill; of one that lacks prices, what is known of it."""
    if bill.unknown:
        return "no price"
    amount = currency.shown(bill.dollars)
    return amount if bill.complete else f"at least {amount}"


def bill_table(title: str, bill: Bill, currency: Currency) -> Table:
    """Return the lines of a bill."""
    rows = [
        (
            line.item.what,
            _counted(line.item.quantity.amount),
            line.item.quantity.unit.value,
            _counted(line.free.amount) if line.free.amount else "",
            line.item.price_key,
            "no price" if line.price is None else currency.shown(line.dollars),
        )
        for line in bill.lines
    ]
    header = ("", "quantity", "of", "free", "price of", currency.code)
    return _table(title, header, rows, numbers={1, 3, 5})


def _question(comparison: Comparison) -> Iterator[str]:
    workload = comparison.workload
    availability = "highly available" if workload.highly_available else "single nodes"
    yield (
        f"{workload.tasks:,.0f} tasks a month in {workload.region}, {workload.results_share:.0%} "
        f"with results; arguments of {workload.payload_bytes:,.0f} and results of "
        f"{workload.result_bytes:,.0f} bytes"
    )
    yield (
        f"{workload.workers:g} workers on {workload.queues:g} queues for {workload.hours:g} hours; "
        f"{availability}; network: {workload.network.value}"
    )


def _shown_pairs(comparison: Comparison) -> Iterator[Pair]:
    sensible = [pair for pair in comparison.pairs if pair.sensible][:_SHOWN_PAIRS]
    yield from sensible
    for pair in (comparison.ours, comparison.stock):
        if pair.name not in {each.name for each in sensible}:
            yield pair


def _made_of(comparison: Comparison, currency: Currency, *, all_lines: bool) -> Iterator[Table]:
    if all_lines:
        for each in (*comparison.brokers, *comparison.stores):
            if each.bill.lines:
                yield _lines(each.offer.title, each.bill, currency)
        return
    others = sorted(
        (each.other for each in comparison.crossings), key=lambda pair: not pair.sensible
    )
    for pair in (comparison.ours, *others[:1]):
        yield _lines(pair.title, pair.bill, currency)


def _lines(title: str, bill: Bill, currency: Currency) -> Table:
    return bill_table(f"What it is made of: {title}", bill, currency)


def _counted(amount: float) -> str:
    return f"{amount:.2g}" if amount < 1 else f"{amount:,.0f}"


def _row(title: str, bill: Bill, objections: Sequence[str], currency: Currency) -> tuple[str, ...]:
    estimated = ("estimated",) if bill.estimated else ()
    missing = (f"no price for {', '.join(bill.missing)}",) if bill.missing else ()
    return title, shown(bill, currency), "; ".join((*objections, *missing, *estimated))


def _table(
    title: str,
    header: tuple[str, ...],
    rows: Iterable[tuple[str, ...]],
    *,
    numbers: Iterable[int] = (),
) -> Table:
    return Table(title=title, header=header, rows=tuple(rows), numbers=frozenset(numbers))
