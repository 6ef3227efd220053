"""What is seen of both sides in the middle of a migration; nothing is changed.

Celery's remote control is asked, on each side by its own app. A worker that reads from one broker
and writes to the other (``broker_read_url``, ``broker_write_url``) hears a command on the old side
and answers on the new one, where nobody waits for it: such workers are silent. What they hold shows
all the same in the broker. Facts: celery/app/control.py, kombu/pidbox.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from celery_aws.migrate.inventory import Inventory
from celery_aws.migrate.verification import Verification

#: Seconds within which workers have to answer.
TIMEOUT_SECONDS: Final = 2.0

#: How the backend that serves both sides is named in ``result_backend``.
_DUAL: Final = "celery_aws.migrate"

#: What ``result_backend`` is of an app that stores no results.
_NO_RESULTS: Final = ("", "disabled", "disabled://", "none")


@dataclass(frozen=True, kw_only=True)
class SeenWorker:
    """One worker that answered.

    Attributes:
        node: its name.
        reads_both: its result backend serves both sides, or it stores no results; None if it did
            not say.
        tasks: that it runs, has prefetched, or holds for their eta; None if it did not say.
        finished: tasks that it has finished since it runs; None if it did not say.
        running: tasks that run there.
    """

    node: str
    reads_both: bool | None = None
    tasks: int | None = None
    finished: int | None = None
    running: int = 0


@dataclass(frozen=True, kw_only=True)
class Watched:
    """What happened on the old side while it was watched.

    Attributes:
        seconds: for how long.
        waiting: how many more messages wait, are held or delayed at the end; less is negative.
        moved: how many messages runs have taken.
        finished: how many tasks the old workers have finished; None if one of them did not say, or
            ended meanwhile.
        running: how many more tasks run there at the end; less is negative.
    """

    seconds: float
    waiting: int
    moved: int
    finished: int | None
    running: int = 0

    @property
    def arrived(self) -> int:
        """Messages that came, at least.

        Of tasks that run, some are still held, and some (without ``acks_late``) are nowhere else.
        """
        return max(0, self._arrived + min(0, self.running))

    @property
    def perhaps(self) -> int:
        """Messages that came, at most: the tasks that have begun to run may be new ones."""
        return max(0, self._arrived + max(0, self.running))

    @property
    def _arrived(self) -> int:
        return self.waiting + self.moved + (self.finished or 0)


@dataclass(frozen=True, kw_only=True)
class Observations:
    """All that the steps of a migration are judged by.

    Attributes:
        inventory: of the old side.
        old_workers: that answered there.
        new_workers: that answered on the new side.
        blocks: names of what blocks, by the plan.
        problems: names of what is wrong with queues and tables, by the doctor; None if nobody
            looked.
        watched: what happened in a while; None if nobody watched.
        verification: of what was moved; None if nothing was.
        results_to_copy: results that the new side does not have, of those that were looked at; None
            if nobody looked, or if they cannot be counted.
        results_sampled: only a part of the results was looked at.
        told_gone: the operator says that no process of the old workers is left.
        told_results_expired: the operator says that the old result backend has nothing that is
            still needed.
    """

    inventory: Inventory
    old_workers: tuple[SeenWorker, ...] = ()
    new_workers: tuple[SeenWorker, ...] = ()
    blocks: tuple[str, ...] = ()
    problems: tuple[str, ...] | None = None
    watched: Watched | None = None
    verification: Verification | None = None
    results_to_copy: int | None = None
    results_sampled: bool = False
    told_gone: bool = False
    told_results_expired: bool = False

    @property
    def messages(self) -> int:
        """Messages that a run would take now, those among them that an earlier one had claimed."""
        waiting = sum(queue.messages for queue in self.inventory.queues)
        return waiting + self.inventory.claimed + self.inventory.delayed

    @property
    def held(self) -> int | None:
        """Messages that old workers hold, by the broker; None if it does not say."""
        known = [queue.held for queue in self.inventory.queues if queue.held is not None]
        return sum(known) if known else None

    @property
    def listeners(self) -> int | None:
        """Who may be an old worker, answering or not; None if the broker does not say."""
        known = [queue.consumers for queue in self.inventory.queues if queue.consumers is not None]
        seen = [sum(known)] if known else []
        if self.inventory.listeners is not None:
            seen.append(self.inventory.listeners)
        return max(seen, default=None)


def workers_of(app: Any, *, timeout_seconds: float = TIMEOUT_SECONDS) -> tuple[SeenWorker, ...]:
    """Return the workers that answer on an app's broker.

    Args:
        app: the old one, or the new one.
        timeout_seconds: that the first question takes, and each other one at most.

    Costs a broadcast, and if anybody answers five more.
    """
    nodes = app.control.inspect(timeout=timeout_seconds).ping() or {}
    if not nodes:
        return ()
    # With a limit, it does not go on waiting when all have answered.
    inspect = app.control.inspect(
        destination=sorted(nodes), timeout=timeout_seconds, limit=len(nodes)
    )
    confs, stats = inspect.conf() or {}, inspect.stats() or {}
    active = inspect.active() or {}
    tasks = _tasks(active, inspect.reserved(), inspect.scheduled())
    return tuple(
        SeenWorker(
            node=node,
            reads_both=_reads_both(confs.get(node)),
            tasks=tasks.get(node),
            finished=_finished(stats.get(node), active.get(node)),
            running=len(active.get(node) or ()),
        )
        for node in sorted(nodes)
    )


def watched(before: Observations, after: Observations, *, seconds: float, moved: int) -> Watched:
    """Return what happened on the old side between two looks at it."""
    return Watched(
        seconds=seconds,
        waiting=_there(after) - _there(before),
        moved=moved,
        finished=_finished_meanwhile(before.old_workers, after.old_workers),
        running=_running(after) - _running(before),
    )


def _finished_meanwhile(before: Sequence[SeenWorker], after: Sequence[SeenWorker]) -> int | None:
    counts = {each.node: each.finished for each in before}
    if not counts.keys() <= {each.node for each in after}:
        # What one that is gone has finished, nobody knows.
        return None
    total = 0
    for each in after:
        already = counts.get(each.node, 0)
        # A worker that was started again counts from 0.
        if each.finished is None or already is None or each.finished < already:
            return None
        total += each.finished - already
    return total


def _running(seen: Observations) -> int:
    return sum(each.running for each in seen.old_workers)


def _there(seen: Observations) -> int:
    return seen.messages + (seen.held or 0)


def _tasks(*answers: Mapping[str, Sequence[Any]] | None) -> Mapping[str, int]:
    found: dict[str, int] = {}
    for answer in answers:
        for node, tasks in (answer or {}).items():
            found[node] = found.get(node, 0) + len(tasks)
    return found


def _reads_both(conf: Mapping[str, Any] | None) -> bool | None:
    if conf is None:
        return None
    # As it is written in the configuration: with a prefix, or in capitals.
    named = [value for key, value in conf.items() if key.lower().endswith("result_backend")]
    backend = "" if not named or named[0] is None else str(named[0])
    return backend.startswith(_DUAL) or backend.lower() in _NO_RESULTS


def _finished(stats: Mapping[str, Any] | None, active: Sequence[Any] | None) -> int | None:
    if stats is None or active is None:
        return None
    # Counted when they start (celery/worker/state.py, ``task_accepted``).
    counts: Mapping[str, int] = stats.get("total") or {}
    return sum(counts.values()) - len(active)
