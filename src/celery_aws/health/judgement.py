"""Whether a worker lives, and whether it is ready: decided from what it wrote down.

*Live* never depends on AWS: to start a worker anew does not bring AWS back, and costs the tasks
that it runs. *Ready* is whether it gets new tasks, or would if it were not busy. The table of both
is in docs/how-to/health.md. Nothing here does I/O or looks at a clock.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from celery_aws.health.worker_state import PoolState, QueueState, TaskState, WorkerState

#: Put in front of the names of the thresholds, in the environment.
PREFIX = "CELERY_AWS_HEALTH_"


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """What is too long; in the environment ``CELERY_AWS_HEALTH_STALE_SECONDS`` and so on.

    Attributes:
        stale_seconds: without a new state, of which there is one a second: the process is stopped,
            or something keeps every thread of it from running.
        loop_seconds: without a turn of the event loop.
        pool_seconds: with all processes of the pool stopped or gone.
        slack_seconds: beyond twice what an answer of SQS may take; and for receives that fail.
    """

    stale_seconds: float = 60.0
    loop_seconds: float = 60.0
    pool_seconds: float = 60.0
    slack_seconds: float = 10.0

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Thresholds":
        """Return the defaults, but for what the environment says.

        Raises:
            ValueError: it says something that is no number of seconds.
        """
        given = {}
        for each in fields(cls):
            variable = PREFIX + each.name.upper()
            text = environment.get(variable)
            if text:
                given[each.name] = _seconds(variable, text)
        return cls(**given)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """How a worker is.

    Attributes:
        live: it is not to be started anew.
        ready: it takes tasks.
        reasons: why it is not the one or the other.
        warnings: what is wrong and makes it neither dead nor unready.
    """

    live: bool
    ready: bool
    reasons: tuple[str, ...] = field(default=())
    warnings: tuple[str, ...] = field(default=())

    def as_json(self) -> dict[str, Any]:
        """Return it as values of JSON."""
        return asdict(self)


def judge(state: WorkerState, now: float, thresholds: Thresholds) -> Verdict:
    """Return how a worker is.

    Args:
        state: what it wrote last.
        now: by the clock of ``state.written_at``.
        thresholds: what is too long.
    """
    loop_hangs, excuse = _loop(state, thresholds)
    dead = [
        *_silence(now - state.written_at, thresholds),
        *([] if loop_hangs is None or excuse is not None else [loop_hangs]),
        *_pool_down(state, thresholds),
    ]
    unready = [] if dead else list(_unready(state, thresholds))
    warnings = [f"{loop_hangs}, but {excuse}"] if loop_hangs and excuse else []
    warnings += _pool_warnings(state.pool)
    return Verdict(
        live=not dead,
        ready=not dead and not unready,
        reasons=(*dead, *unready),
        warnings=tuple(warnings),
    )


def _seconds(variable: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < float("inf"):
        raise ValueError(f"{variable}={text!r}: a number of seconds above 0 is wanted")
    return value


def _silence(age_seconds: float, thresholds: Thresholds) -> Iterator[str]:
    if age_seconds > thresholds.stale_seconds:
        yield f"no sign of life for {age_seconds:.0f} s: the process is stopped or stuck"
    elif age_seconds < 0:
        yield "its last sign of life is of before the machine was started"


def _loop(state: WorkerState, thresholds: Thresholds) -> tuple[str | None, str | None]:
    """Return what is wrong with the event loop, and why that is all right; each or None."""
    age_seconds = _loop_age_seconds(state)
    if state.phase != "running" or age_seconds <= thresholds.loop_seconds:
        return None, None
    if state.pool.kind == "solo" and state.task is not None:
        return _solo(state.task, thresholds)
    hangs = f"the event loop has not turned for {age_seconds:.0f} s"
    # Celery itself asks AWS there: it writes the results of tasks that are revoked, say.
    if state.loop_waits_for_aws:
        return hangs, "it waits for AWS"
    if state.queues and all(queue.temporary for queue in state.queues):
        return hangs, "AWS does not answer either"
    return hangs, None


def _loop_age_seconds(state: WorkerState) -> float:
    greenlets = state.pool.greenlets_age_seconds
    if greenlets is not None and state.pool.full:
        # Their loop waits for one of them to end.
        return greenlets
    return max(greenlets or 0.0, state.loop_age_seconds or 0.0)


def _solo(task: TaskState, thresholds: Thresholds) -> tuple[str | None, str | None]:
    age, limit = task.age_seconds, task.limit_seconds
    if limit is None or age <= limit + thresholds.loop_seconds:
        return None, None
    return f"a task has run for {age:.0f} s, its limit is {limit:.0f} s", None


def _pool_down(state: WorkerState, thresholds: Thresholds) -> Iterator[str]:
    down_seconds = state.pool.down_seconds
    if state.phase == "stopping" or down_seconds is None:
        return
    if down_seconds > thresholds.pool_seconds:
        yield f"no process of the pool has run for {down_seconds:.0f} s"


def _pool_warnings(pool: PoolState) -> Iterator[str]:
    if pool.stopped:
        pids = ", ".join(map(str, pool.stopped))
        yield f"{len(pool.stopped)} of {pool.wanted} pool processes stopped: {pids}"


def _unready(state: WorkerState, thresholds: Thresholds) -> Iterator[str]:
    if state.phase == "starting":
        yield "it is starting: it has not connected to the broker yet"
    elif state.phase == "reconnecting":
        yield "it has lost its connection to the broker, and makes it again"
    elif state.phase == "stopping":
        yield "it is shutting down"
    elif not state.queues:
        yield "it consumes no queue"
    else:
        for queue in state.queues:
            yield from _unready_queue(queue, thresholds.slack_seconds)


def _unready_queue(queue: QueueState, slack_seconds: float) -> Iterator[str]:
    name, failing_seconds = f"queue {queue.name}", queue.failing_seconds
    if queue.doing == "ended":
        yield f"{name}: its receiver has failed"
    elif failing_seconds is not None:
        # One that has never been answered may never be; an outage may be over at once.
        if not queue.answered or failing_seconds > slack_seconds:
            yield f"{name}: receiving has failed for {failing_seconds:.0f} s ({queue.error})"
    elif queue.doing != "waiting" and _silent(queue, slack_seconds):
        yield f"{name}: SQS has not answered for {queue.unanswered_seconds:.0f} s"


def _silent(queue: QueueState, slack_seconds: float) -> bool:
    return queue.unanswered_seconds > 2 * queue.pause_seconds + slack_seconds
