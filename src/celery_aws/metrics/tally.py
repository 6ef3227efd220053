"""Counters and histograms that grow as things happen; thread-safe."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from typing import Final

from celery_aws.metrics.description import Metric
from celery_aws.metrics.samples import Distribution, Sample
from celery_aws.native_threads import unpatched

#: Upper bounds of the buckets of what takes time (seconds): tasks of milliseconds, and of hours.
SECONDS_BOUNDS: Final = (
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0,
    7200.0,
)  # fmt: skip

_Key = tuple[Metric, tuple[str, ...]]


class _Buckets:
    __slots__ = ("counts", "sum")

    def __init__(self) -> None:
        self.counts = [0] * (len(SECONDS_BOUNDS) + 1)
        self.sum = 0.0

    def frozen(self) -> Distribution:
        return Distribution(bounds=SECONDS_BOUNDS, counts=tuple(self.counts), sum=self.sum)


class Tally:
    """A :class:`~celery_aws.metrics.samples.Source` of what it was told.

    It grows by each labels that are new: whoever tells bounds them.
    """

    def __init__(self) -> None:
        self._counts: Counter[_Key] = Counter()
        self._buckets: dict[_Key, _Buckets] = {}
        # Never held across anything that waits, so that a greenlet may hold it too; one of gevent's
        # would cost more than what it guards.
        self._lock = unpatched("_thread", "allocate_lock")()

    def count(self, metric: Metric, *labels: str) -> None:
        """Add one.

        Args:
            metric: a counter.
            labels: a value for each of its labels.
        """
        with self._lock:
            self._counts[metric, labels] += 1

    def observe(self, metric: Metric, seconds: float, *labels: str) -> None:
        """Add what was measured.

        Args:
            metric: a histogram.
            seconds: what was measured.
            labels: a value for each of its labels.
        """
        key = metric, labels
        with self._lock:
            buckets = self._buckets.get(key) or self._buckets.setdefault(key, _Buckets())
            buckets.counts[bisect_left(SECONDS_BOUNDS, seconds)] += 1
            buckets.sum += seconds

    def drop(self, label: str, value: str) -> None:
        """Forget everything with this value of a label, such as that of a worker that is gone."""
        with self._lock:
            for key in [each for each in self._counts if _has(each, label, value)]:
                del self._counts[key]
            for key in [each for each in self._buckets if _has(each, label, value)]:
                del self._buckets[key]

    def samples(self) -> Iterable[Sample]:
        """Return what was told so far."""
        with self._lock:
            counted = [Sample(*key, float(count)) for key, count in self._counts.items()]
            return counted + [Sample(*key, each.frozen()) for key, each in self._buckets.items()]


def _has(key: _Key, label: str, value: str) -> bool:
    metric, labels = key
    return label in metric.labels and labels[metric.labels.index(label)] == value
