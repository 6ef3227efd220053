"""States of workers as tests want them."""

from typing import Any

from celery_aws.health.worker_state import PoolState, QueueState, TaskState, WorkerState

#: When a state was written, by the monotonic clock.
WRITTEN_AT = 1_000.0


def queue(name: str = "celery", **changes: Any) -> QueueState:
    """A queue that is polled, and was answered a second ago."""
    facts: dict[str, Any] = {
        "doing": "polling",
        "answered": True,
        "unanswered_seconds": 1.0,
        "pause_seconds": 21.0,
    }
    return QueueState(name=name, **{**facts, **changes})


def task(age_seconds: float, limit_seconds: float | None = None) -> TaskState:
    return TaskState(age_seconds=age_seconds, limit_seconds=limit_seconds)


def state(**changes: Any) -> WorkerState:
    """A worker that consumes one queue, and has nothing to do."""
    facts: dict[str, Any] = {
        "node": "one@host",
        "pid": 4711,
        "process_started": 12345,
        "written_at": WRITTEN_AT,
        "written": "2026-03-14T15:09:26+00:00",
        "phase": "running",
        "loop_age_seconds": 0.5,
        "loop_waits_for_aws": False,
        "pool": PoolState(kind="prefork", wanted=2, pids=(4712, 4713)),
        "task": None,
        "queues": (queue(),),
        "leases_held": 0,
        "leases_lost": 0,
    }
    return WorkerState(**{**facts, **changes})
