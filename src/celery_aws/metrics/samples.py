"""What was measured, as values: one sample for each metric and its labels at one moment."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from celery_aws.metrics.description import Metric


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """How many of what was measured fell where.

    Attributes:
        bounds: upper ones of the buckets, ascending; a last bucket has no bound.
        counts: how many are in each bucket alone; one more than there are bounds.
        sum: of everything that was measured.
    """

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    sum: float

    @property
    def count(self) -> int:
        """How many there are in all."""
        return sum(self.counts)


@dataclass(frozen=True)
class Sample:
    """A value of a metric.

    Attributes:
        metric: which.
        labels: a value for each of the metric's labels, in their order.
        value: a number; of a histogram a distribution.
    """

    metric: Metric
    labels: tuple[str, ...]
    value: float | Distribution

    @property
    def number(self) -> float:
        """The value; of a distribution its sum."""
        return self.value.sum if isinstance(self.value, Distribution) else self.value

    def label(self, name: str) -> str:
        """Return the value of a label; empty if the metric has none of that name."""
        return dict(zip(self.metric.labels, self.labels, strict=True)).get(name, "")


class Source(Protocol):
    """What has something to tell. Asking it costs no request to AWS."""

    def samples(self) -> Iterable[Sample]:
        """Return what is known now; each metric and labels once."""


class Sources:
    """Several sources as one.

    Args:
        sources: none has a metric and labels that another has.
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = tuple(sources)

    def samples(self) -> Iterable[Sample]:
        """Return what all of them tell."""
        return [sample for source in self._sources for sample in source.samples()]
