"""What this month has cost by what workers write down, and what it may cost."""

from collections.abc import Iterator
from typing import Final

from celery_aws.clock import Clock
from celery_aws.core.usage_records import month_of
from celery_aws.cost.spending import spending
from celery_aws.metrics import catalog
from celery_aws.metrics.reader import Look
from celery_aws.metrics.samples import Sample
from celery_aws.prices import known_prices
from celery_aws.table.usage import UsageLog

#: Seconds between two looks: workers write each 15 minutes.
COST_SECONDS: Final = 3_600.0


class CostLook:
    """Reads the records of a month, and makes a bill of them.

    Args:
        log: the records.
        region: of queues and tables.
        budget: dollars a month; None if there is none.
        clock: says which month it is.
    """

    def __init__(self, log: UsageLog, region: str, budget: float | None, clock: Clock) -> None:
        self._log = log
        self._region = region
        self._budget = budget
        self._clock = clock

    def __call__(self) -> Look:
        """Look once. One Query for each MB of records, of which a month of 64 processes is one."""
        return Look(samples=tuple(self._samples()))

    def _samples(self) -> Iterator[Sample]:
        if self._budget is not None:
            yield Sample(catalog.MONTH_BUDGET, (), self._budget)
        now = self._clock.now()
        month = month_of(now.date())
        found = spending(month, self._log.month(month), known_prices(), self._region, now=now)
        # Of a region without prices nothing is told: a sum without some of them is none.
        if found.since is not None and found.bill.complete:
            yield Sample(catalog.MONTH_COST, ("so far",), found.bill.dollars)
            if found.month_bill is not None:
                yield Sample(catalog.MONTH_COST, ("projected",), found.month_bill.dollars)
