"""What a worker writes down of itself each second, for whoever asks how it is.

No task's name, id or arguments, and no text of an error: the file may be read by a probe whose
output ends in the events of a cluster. Nothing but the standard library is imported, and little of
that: a probe starts a process for each look.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

#: Of the file; one of another version is not understood.
VERSION = 1


@dataclass(frozen=True, kw_only=True)
class QueueState:
    """One queue that the worker consumes: that of one of its receivers.

    Attributes:
        name: Celery's name of the queue.
        doing: starting, waiting (for a free credit), polling, resting or ended (by a bug).
        answered: SQS has answered a poll.
        unanswered_seconds: since the last answer; before the first, since the receiver was made.
        failing_seconds: since the first of the polls that fail now, or None.
        error: class of the last failure, or None.
        temporary: the failure may pass by itself.
        pause_seconds: longest time between two answers if nothing is wrong and there is a credit.
    """

    name: str
    doing: str
    answered: bool
    unanswered_seconds: float
    failing_seconds: float | None = None
    error: str | None = None
    temporary: bool = False
    pause_seconds: float


@dataclass(frozen=True, kw_only=True)
class PoolState:
    """What runs the tasks.

    Attributes:
        kind: prefork, solo, threads, gevent, eventlet, or a module of others.
        full: as many tasks run as may.
        greenlets_age_seconds: since greenlets last took turns, None if it has none.
        wanted: processes that there shall be; 0 for pools without.
        pids: those that are known.
        stopped: of these, pids of those that are stopped (SIGSTOP, a debugger).
        gone: of these, pids of those that have ended.
        down_seconds: for how long all have been stopped or gone, or None.
    """

    kind: str
    full: bool = False
    greenlets_age_seconds: float | None = None
    wanted: int = 0
    pids: tuple[int, ...] = ()
    stopped: tuple[int, ...] = ()
    gone: tuple[int, ...] = ()
    down_seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class TaskState:
    """The task that has run for the longest time.

    Attributes:
        age_seconds: for how long.
        limit_seconds: how long it may take, None if nobody has said.
    """

    age_seconds: float
    limit_seconds: float | None


@dataclass(frozen=True, kw_only=True)
class WorkerState:
    """One worker at one moment.

    Attributes:
        node: its name, such as ``celery@host``.
        pid: of its main process.
        process_started: when that began, as the operating system counts; None if it does not say.
        written_at: the moment, by the monotonic clock that all processes of a machine share.
        written: the same for people, in UTC.
        phase: starting, running, reconnecting or stopping.
        loop_age_seconds: since its event loop last turned, None if it never did.
        loop_waits_for_aws: it is in one of our requests to AWS, or between two tries of one.
        pool: what runs the tasks.
        task: the task that has run for the longest time, None if none runs.
        queues: what it consumes.
        leases_held: messages whose leases are extended.
        leases_lost: since the process began.
    """

    node: str
    pid: int
    process_started: int | None
    written_at: float
    written: str
    phase: str
    loop_age_seconds: float | None
    loop_waits_for_aws: bool
    pool: PoolState
    task: TaskState | None
    queues: tuple[QueueState, ...]
    leases_held: int
    leases_lost: int

    def as_json(self) -> dict[str, Any]:
        """Return it as values of JSON."""
        return {"version": VERSION, **asdict(self)}

    @classmethod
    def from_text(cls, text: str) -> "WorkerState":
        """Read what :meth:`as_json` gave.

        Raises:
            ValueError: it is something else.
        """
        try:
            return _from_json(json.loads(text))
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"no state of a worker: {error}") from error


def _from_json(value: Mapping[str, Any]) -> WorkerState:
    facts = dict(value)
    version = facts.pop("version")
    if version != VERSION:
        raise ValueError(f"version {version} of a worker's state, {VERSION} is understood")
    task = facts.pop("task")
    return WorkerState(
        pool=_pool(facts.pop("pool")),
        task=None if task is None else TaskState(**task),
        queues=tuple(QueueState(**queue) for queue in facts.pop("queues")),
        **facts,
    )


def _pool(facts: Mapping[str, Any]) -> PoolState:
    lists = {name: tuple(facts[name]) for name in ("pids", "stopped", "gone")}
    return PoolState(**{**facts, **lists})
