"""What a month has cost so far by the meters of workers, and what it will have cost at its end."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Final

from celery_aws.core.prices import PriceBook
from celery_aws.core.request_usage import RequestUsage
from celery_aws.core.usage_records import UsageRecord, month_of
from celery_aws.cost.bill import Bill, bill_of
from celery_aws.cost.usage_items import usage_items

#: Seconds of a month without which nothing is said of its end.
_LEAST_SECONDS: Final = 3_600.0


@dataclass(frozen=True, kw_only=True)
class Spending:
    """A month.

    Attributes:
        month: such as ``2026-11``.
        since: when the first record begins; None without records.
        until: up to when something is known.
        processes: that wrote records.
        usage: of all of them together.
        bill: what that costs.
        month_bill: what the month will have cost if it goes on like this; None if it is too early
            to say.
    """

    month: str
    since: datetime | None
    until: datetime
    processes: int
    usage: RequestUsage
    bill: Bill
    month_bill: Bill | None

    @property
    def dollars_by_resource(self) -> dict[str, float]:
        """What was asked of each queue, table or bucket, the dearest first."""
        found: defaultdict[str, float] = defaultdict(float)
        for line in self.bill.lines:
            found[line.item.what.partition(" ")[2]] += line.dollars
        return dict(sorted(found.items(), key=lambda pair: (-pair[1], pair[0])))


def spending(
    month: str,
    records: Sequence[UsageRecord],
    book: PriceBook,
    region: str,
    *,
    now: datetime,
    free: bool = True,
) -> Spending:
    """Return what a month cost.

    Args:
        month: such as ``2026-11``.
        records: of that month.
        book: the prices.
        region: where the queues and tables are.
        now: in that month, or after it.
        free: take off what AWS gives an account for nothing.
    """
    usage = _together(records)
    since = min((record.since for record in records), default=None)
    begin, end = month_bounds(month)
    until = min(now, end)
    times = None
    if now >= end:
        # What is over is not made more by what nobody wrote down.
        times = 1.0
    elif since is not None and (until - since).total_seconds() >= _LEAST_SECONDS:
        # Before the first record nothing is known: the month is taken to be as what came after it.
        times = (end - begin) / (until - since)
    later = None
    if times is not None:
        later = bill_of(usage_items(usage, times=max(1.0, times)), book, region, free=free)
    return Spending(
        month=month,
        since=since,
        until=until,
        processes=len({record.process for record in records}),
        usage=usage,
        bill=bill_of(usage_items(usage), book, region, free=free),
        month_bill=later,
    )


def month_bounds(month: str) -> tuple[datetime, datetime]:
    """Return when a month begins, and when the next one does, in UTC.

    Raises:
        ValueError: it is no month such as ``2026-11``.
    """
    begin = datetime.strptime(month, "%Y-%m").replace(tzinfo=timezone.utc)
    # Records are found by this name: without its zero there would be none.
    if month != month_of(begin.date()):
        raise ValueError(f"{month!r} is not written as {month_of(begin.date())!r}")
    return begin, (begin + timedelta(days=31)).replace(day=1)


def _together(records: Iterable[UsageRecord]) -> RequestUsage:
    total = RequestUsage()
    for record in records:
        total += record.usage
    return total
