"""How far behind the workers of a queue are: what autoscaling goes by. Pure.

Definition:

* *ready* are the messages that the next receive may bring. What is in flight has a worker already,
  and what is delayed or parked would keep a worker that has nothing to do.
* *backlog per worker* is ready by running workers. Without any it is ready: as if there were one,
  so that a scaler that multiplies still gets off zero.
* *time to drain* is ready by the tasks that the workers can start in a second, if nothing is added.

Facts: "Scaling based on Amazon SQS" in the EC2 Auto Scaling user guide (backlog per instance, and
the acceptable backlog: the longest acceptable wait by the mean time that a task takes).
"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """The workers that consume a queue.

    Attributes:
        workers: nodes.
        slots: tasks that they run at once, all together.
        tasks_a_second: that they start, all together; None if nobody knows.
    """

    workers: int = 0
    slots: int = 0
    tasks_a_second: float | None = None

    def at(self, task_seconds: float) -> "Capacity":
        """Return the same, with every task taking so long."""
        return Capacity(
            workers=self.workers, slots=self.slots, tasks_a_second=self.slots / task_seconds
        )


def capacity(workers: Iterable[Capacity]) -> Capacity:
    """Return what several workers are together; a rate only if that of each is known."""
    each = list(workers)
    rates = [worker.tasks_a_second for worker in each]
    known = [rate for rate in rates if rate is not None]
    return Capacity(
        workers=sum(worker.workers for worker in each),
        slots=sum(worker.slots for worker in each),
        tasks_a_second=sum(known) if each and len(known) == len(rates) else None,
    )


@dataclass(frozen=True, kw_only=True)
class Backlog:
    """What waits in a queue, and who works on it.

    Attributes:
        ready: messages that the next receive may bring.
        capacity: of the workers that consume the queue.
    """

    ready: int
    capacity: Capacity

    @property
    def per_worker(self) -> float:
        """Ready messages for each worker; all of them without a worker."""
        return self.ready / max(1, self.capacity.workers)

    @property
    def drain_seconds(self) -> float | None:
        """Seconds until nothing is ready, if nothing is added; None if that is not known."""
        if not self.ready:
            return 0.0
        rate = self.capacity.tasks_a_second
        return self.ready / rate if rate else None
