"""Which workers consume which queues, as they say themselves."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from celery_aws.clock import Clock
from celery_aws.core.backlog import Capacity, capacity
from celery_aws.names import AmqpQueue


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """The workers that answered.

    Attributes:
        queues: that each consumes, by its node name.
        capacities: of each.
    """

    queues: Mapping[str, frozenset[AmqpQueue]]
    capacities: Mapping[str, Capacity]

    def of_any(self, queues: Iterable[AmqpQueue]) -> Capacity:
        """Return the workers that consume any of some queues, each once, together."""
        wanted = frozenset(queues)
        return capacity(
            each for node, each in self.capacities.items() if wanted & self.queues[node]
        )


class FleetInspection:
    """Asks an app's workers by remote control.

    Args:
        app: the Celery app.
        timeout_seconds: how long to wait for answers; who does not answer by then is not counted.
        clock: for a sample.
    """

    def __init__(self, app: Any, *, timeout_seconds: float, clock: Clock) -> None:
        self._app = app
        self._timeout_seconds = timeout_seconds
        self._clock = clock

    def consumers(self) -> Mapping[str, frozenset[AmqpQueue]]:
        """Return the queues that each worker consumes. One broadcast."""
        return {
            node: frozenset(AmqpQueue(queue["name"]) for queue in queues)
            for node, queues in (self._inspect().active_queues() or {}).items()
        }

    def fleet(self, *, sample_seconds: float | None = None) -> Fleet:
        """Return the workers, with what they can do.

        Args:
            sample_seconds: for how long their tasks are counted, to know how many they start in a
                second; None is not at all.

        Costs two broadcasts, and a third for a sample.
        """
        queues = self.consumers()
        # Workers answer at once, and what asks them waits on: a sample begins and ends with the
        # question.
        started_at = self._clock.monotonic()
        before = self._stats()
        after, seconds = before, 0.0
        if sample_seconds is not None:
            self._clock.sleep(sample_seconds)
            seconds = self._clock.monotonic() - started_at
            after = self._stats()
        capacities: dict[str, Capacity] = {}
        for node in queues.keys() & before.keys():
            found = _capacity(before[node])
            if sample_seconds is not None and node in after:
                started = _started(after[node]) - _started(before[node])
                found = replace(found, tasks_a_second=max(0, started) / seconds)
            capacities[node] = found
        return Fleet(queues=queues, capacities=capacities)

    def _stats(self) -> Mapping[str, Mapping[str, Any]]:
        return self._inspect().stats() or {}

    def _inspect(self) -> Any:
        return self._app.control.inspect(timeout=self._timeout_seconds)


def _capacity(stats: Mapping[str, Any]) -> Capacity:
    # Every pool of Celery's tells it (celery/concurrency, ``_get_info``); who has none of these
    # runs one task at a time.
    slots = (stats.get("pool") or {}).get("max-concurrency")
    return Capacity(workers=1, slots=slots if isinstance(slots, int) else 1)


def _started(stats: Mapping[str, Any]) -> int:
    """Return how many tasks a worker has begun (celery/worker/state.py, ``task_accepted``)."""
    return sum((stats.get("total") or {}).values())
