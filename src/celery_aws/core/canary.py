"""What became of a task that was sent to see whether one comes back, as far as can be told."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from celery_aws.core.queue_depth import QueueDepth


@dataclass(frozen=True, kw_only=True)
class Flight:
    """One canary.

    Attributes:
        queue: that it was sent to, by Celery's name.
        task_id: of its task.
        came_back: its result came in time.
        milliseconds: from the send to the result, or to the deadline.
        problem: where it got stuck, None if it came back.
        depth: messages of the queue at the deadline; None if it came back, or nobody may ask.
        requests: AWS requests of the process that sent it, by operation.
    """

    queue: str
    task_id: str
    came_back: bool
    milliseconds: int
    problem: str | None = None
    depth: QueueDepth | None = None
    requests: Mapping[str, int] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return it as values of JSON."""
        return asdict(self)


def where_stuck(depth: QueueDepth | None) -> str:
    """Return where a task is whose result did not come.

    Args:
        depth: of its queue after the deadline, None if it could not be asked for.
    """
    if depth is None:
        return "no result came; how full the queue is cannot be asked"
    if depth.visible:
        return (
            f"it waits in the queue, which has {depth.visible} message(s) that no worker has "
            "taken: none consumes it, or they have too much to do"
        )
    if depth.in_flight:
        return (
            f"workers have {depth.in_flight} message(s) of the queue and have not ended them: they "
            "are busy, or one that had it was killed"
        )
    if depth.delayed:
        return f"the queue holds {depth.delayed} message(s) back: it has a delay of its own"
    return (
        "the queue is empty, so a worker has taken it, but no result came: does that worker use "
        "the same result backend, and may it write there?"
    )
