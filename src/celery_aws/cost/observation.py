"""What somebody was seen to do for a while, and the month that follows from it.

A while is not a month: the period is told with every figure that comes from it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from celery_aws.core.prices import MONTH_HOURS
from celery_aws.cost.bill import Item
from celery_aws.errors import NotObservedError

MONTH_SECONDS: Final = MONTH_HOURS * 3_600


@dataclass(frozen=True, kw_only=True)
class Observation:
    """A period, and what it says of a month.

    Attributes:
        source: who was observed, without a password.
        seconds: for how long.
        workload: values of a :class:`celery_aws.cost.workload.Workload`, by their names; what was
            not seen is not in it.
        items: what a month of the same would be billed; empty where nothing was billed.
        remarks: what is to be known of it.
    """

    source: str
    seconds: float
    workload: Mapping[str, Any]
    items: tuple[Item, ...] = ()
    remarks: tuple[str, ...] = field(default=())

    @property
    def sentence(self) -> str:
        """Say what was observed, and for how long."""
        figures = ", ".join(f"{name} {_shown(value)}" for name, value in self.workload.items())
        return f"observed for {self.seconds:,.0f} s, scaled to a month: {self.source}: {figures}"


def month_factor(seconds: float) -> float:
    """Return how many such periods are in a month."""
    return MONTH_SECONDS / seconds


def grown(name: str, before: float, after: float) -> float:
    """Return by how much a counter has grown.

    Raises:
        NotObservedError: it became less: its server was started again, or it was reset.
    """
    if after < before:
        raise NotObservedError(
            f"{name} fell from {before:g} to {after:g}: the server was started again, or its "
            "counters were reset meanwhile. Observe it again"
        )
    return after - before


def _shown(value: Any) -> str:
    return f"{value:,.4g}" if isinstance(value, float) and value < 1 else f"{value:,.0f}"
