"""Kills the leader again and again, or stops it for minutes, where that hurts most."""

from dataclasses import dataclass, field
from typing import TypeAlias, Union

from celery_aws.core.schedule import Lane
from tests.simulation.conftest import Deployment
from tests.simulation.worker import Worker

#: Seconds until a killed worker is replaced, at least and at most.
REPLACED_SECONDS = (2.0, 8.0)

#: Seconds for which a leader is stopped, at least and at most: no longer than its lease, or longer.
STOPPED_SECONDS = (60.0, 400.0)

Moment: TypeAlias = Union[tuple[str, str], None]  # noqa: UP007

#: The ends of a leader: at the next such request, before it is on the wire or once it took effect;
#: None is now, wherever it is.
MOMENTS: tuple[Moment, ...] = (
    ("SendMessageBatch", "begun"),
    ("SendMessageBatch", "done"),
    ("BatchWriteItem", "begun"),
    ("BatchWriteItem", "done"),
    ("Query", "done"),
    None,
)


@dataclass
class Kills:
    """What happens to the leaders of a lane every ``every_seconds``; the rest is left to chance.

    Attributes:
        stopped_part: of the leaders, how many are stopped and not killed.
        ambush_part: of the times when nobody leads, how often the next to lead is waited for, who
            then may get no further than to its first batch.
        killed: the names of the leaders that were killed.
        stopped: of those that were stopped, to go on minutes later, once for each time.
    """

    deployment: Deployment
    lane: Lane
    every_seconds: float
    from_seconds: float
    until_seconds: float
    stopped_part: float = 0.0
    ambush_part: float = 0.0
    killed: list[str] = field(default_factory=list, init=False)
    stopped: list[str] = field(default_factory=list, init=False)

    def start(self) -> None:
        self.deployment.world.at(self.from_seconds, self._next)

    def _next(self) -> None:
        world = self.deployment.world
        leader = self.deployment.leader(self.lane)
        if leader is not None:
            if leader.process.on_request is None:
                moment = world.random.choice(MOMENTS)
                self._wait_for(leader, moment)
                # It may have nothing to do before the next.
                seconds = self.every_seconds - 1.0 if moment else 0.0
                world.at(world.seconds + seconds, lambda: self._strike(leader))
        elif world.random.random() < self.ambush_part:
            for worker in self.deployment.workers:
                if worker.process.on_request is None:
                    self._wait_for(worker, world.random.choice(MOMENTS[:-1]))
        if world.seconds + self.every_seconds <= self.until_seconds:
            world.at(world.seconds + self.every_seconds, self._next)

    def _wait_for(self, worker: Worker, moment: Moment) -> None:
        world = self.deployment.world

        def on_request(operation: str, stage: str) -> None:
            if (operation, stage) == moment:
                # Not here: this may be a thread of the worker.
                world.at(world.seconds, lambda: self._strike(worker))

        worker.process.on_request = on_request

    def _strike(self, worker: Worker) -> None:
        """Strike, unless that is done already."""
        if worker.process.alive and worker.process.on_request is not None:
            worker.process.on_request = None
            stops = self.deployment.world.random.random() < self.stopped_part
            (self._stop if stops else self._kill)(worker)

    def _kill(self, leader: Worker) -> None:
        world = self.deployment.world
        self.killed.append(leader.process.name)
        leader.kill()
        self.deployment.workers.remove(leader)
        replaced_in = world.random.uniform(*REPLACED_SECONDS)
        world.at(world.seconds + replaced_in, self.deployment.worker)

    def _stop(self, leader: Worker) -> None:
        world = self.deployment.world
        self.stopped.append(leader.process.name)
        leader.stop(world.random.uniform(*STOPPED_SECONDS))
