"""What one run has shown, as values that can be kept as JSON."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Published:
    """Tasks published, one by one or as a group.

    Attributes:
        per_second: tasks.
        cpu_milliseconds: of the client, for one task.
        requests: for one task, by operation.
        dollars: for a million tasks.
    """

    per_second: float
    cpu_milliseconds: float
    requests: Mapping[str, float] = field(default_factory=dict)
    dollars: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One run.

    Attributes:
        number: of the round, from 0.
        tasks_per_second: from the first result stored after the warm-up to the last.
        tasks: of which that is the rate.
        requests: of the worker for one task, by operation.
        dollars: for them and a million tasks.
        parent_cpu, children_cpu: seconds for 1,000 tasks, of the worker's processes.
        memory_mb: of all of them, what they share counted once.
        cloud_share: of a core, that the cloud was busy; None on Redis.
        single, group: as published while nobody consumed.
        round_trips_ms: from apply_async() to the result, one task after the other.
    """

    side: str
    pool: str
    latency_ms: float
    number: int
    tasks: int
    tasks_per_second: float
    requests: Mapping[str, float]
    dollars: float
    parent_cpu: float
    children_cpu: float
    memory_mb: float
    cloud_share: float | None = None
    single: Published | None = None
    group: Published | None = None
    round_trips_ms: tuple[float, ...] = ()

    @property
    def worker_cpu(self) -> float:
        """Seconds for 1,000 tasks."""
        return self.parent_cpu + self.children_cpu

    def as_json(self) -> dict[str, Any]:
        """Return what JSON can carry."""
        return asdict(self)


def from_json(found: Mapping[str, Any]) -> Measured:
    """Return what :meth:`Measured.as_json` was called on."""
    published = {
        name: None if found[name] is None else Published(**found[name])
        for name in ("single", "group")
    }
    trips = tuple(found["round_trips_ms"])
    return Measured(**{**found, **published, "round_trips_ms": trips})
