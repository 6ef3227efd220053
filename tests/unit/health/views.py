"""A view of a worker that says what a test wants."""

from collections.abc import Sequence
from typing import Any

from celery_aws.broker.status import DeliveryStatus
from celery_aws.broker.worker_view import Phase, RunningTask, WorkerView


class StillView(WorkerView):
    """A worker of which a test says everything."""

    def __init__(self, **facts: Any) -> None:
        self.node = "one@host"
        self.facts: dict[str, Any] = {
            "kind": "prefork",
            "green": False,
            "slots": 2,
            "phase": "running",
            "pids": (),
            "running": [],
            "ended": False,
            **facts,
        }

    @property
    def has_ended(self) -> bool:
        return bool(self.facts["ended"])

    @property
    def pool_kind(self) -> str:
        return str(self.facts["kind"])

    @property
    def is_green(self) -> bool:
        return bool(self.facts["green"])

    @property
    def slots(self) -> int:
        return int(self.facts["slots"])

    def phase(self, status: DeliveryStatus) -> Phase:
        phase: Phase = self.facts["phase"]
        return phase

    def children(self) -> tuple[int, Sequence[int]]:
        return (self.slots if self.facts["pids"] else 0), self.facts["pids"]

    def running(self) -> list[RunningTask]:
        return list(self.facts["running"])
