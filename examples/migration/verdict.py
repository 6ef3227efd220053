"""What the ledger shows: which executions happened once, which not, and which may be excused.

A task that a worker ran when it was killed runs again, late acknowledgement or not having been
heard of; and what its first run had sent is sent again by the second. Nothing else may run twice,
and nothing may be lost.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from examples.migration.ledger import Execution, Run
from examples.migration.orders import Order

Runs = Mapping[Execution, Sequence[Run]]

#: A task that has ended is acknowledged so long after that, at most: over the pool's pipe, by the
#: worker's event loop, to Redis.
ACKNOWLEDGED_SECONDS = 0.3


@dataclass(frozen=True, kw_only=True)
class Killed:
    """A worker that was killed.

    Attributes:
        worker: its node name.
        at: seconds of the monotonic clock.
    """

    worker: str
    at: float

    def was_running(self, runs: Sequence[Run]) -> bool:
        """Tell whether one of these had not ended, or not been acknowledged, when it was killed."""
        return any(
            run.worker == self.worker
            and run.started < self.at
            and (run.ended is None or run.ended > self.at - ACKNOWLEDGED_SECONDS)
            for run in runs
        )


@dataclass(kw_only=True)
class Line:
    """What came of all orders of one kind.

    Attributes:
        orders: how many.
        once: executions that happened once, as they should.
        again: executions that happened again, with the killed worker as reason.
        lost: those that did not happen, or did not end.
        twice: those that happened again without a reason.
        unwanted: ids that should not have run, and did.
    """

    orders: int = 0
    once: int = 0
    again: int = 0
    lost: list[Execution] = field(default_factory=list)
    twice: list[Execution] = field(default_factory=list)
    unwanted: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """True if nothing is missing and nothing too many."""
        return not (self.lost or self.twice or self.unwanted)


def judged(orders: Sequence[Order], runs: Runs, killed: Killed) -> dict[str, Line]:
    """Return what came of the orders, by their kind."""
    lines: dict[str, Line] = defaultdict(Line)
    ran = Counter(each.task_id for each in runs)
    for order in orders:
        line = lines[order.kind]
        line.orders += 1
        line.unwanted += [task_id for task_id in order.never if ran[task_id]]
        excused = _excused(order, runs, killed)
        for execution in order.executions:
            found = runs.get(execution, ())
            if not any(run.ended is not None for run in found):
                line.lost.append(execution)
            elif len(found) == 1:
                line.once += 1
            elif execution in excused:
                line.again += 1
            else:
                line.twice.append(execution)
    return dict(lines)


def unfinished(orders: Sequence[Order], runs: Runs) -> list[Execution]:
    """Return what has not ended yet."""
    return [
        execution
        for order in orders
        for execution in order.executions
        if not any(run.ended is not None for run in runs.get(execution, ()))
    ]


def strangers(orders: Sequence[Order], runs: Runs) -> list[Execution]:
    """Return what ran and was not ordered."""
    ordered = {execution for order in orders for execution in order.executions}
    never = {task_id for order in orders for task_id in order.never}
    return [each for each in runs if each not in ordered and each.task_id not in never]


def _excused(order: Order, runs: Runs, killed: Killed) -> set[Execution]:
    """Return what may have run again: what was running, and what that has sent."""
    excused: set[Execution] = set()
    causes: set[str] = set()
    for execution, cause in order.executions.items():
        again = killed.was_running(runs.get(execution, ()))
        # The body of a chord is sent once, whoever runs its parts again.
        if again or (cause in causes and execution.task_id != order.body):
            excused.add(execution)
            causes.add(execution.task_id)
    return excused
