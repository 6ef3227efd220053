"""Kills processes of a fleet, or stops them, at any request; each killed one is replaced."""

from collections.abc import Callable
from dataclasses import dataclass, field

from tests.simulation.fleet import Fleet, FleetWorker, Node
from tests.simulation.world import World

#: Seconds until a killed process is replaced, at least and at most.
REPLACED_SECONDS = (2.0, 8.0)

#: The requests of a control plane: what is struck is about to ask one, or its answer is under way.
OPERATIONS = (
    "GetItem",
    "PutItem",
    "DeleteItem",
    "BatchWriteItem",
    "Query",
    "CreateQueue",
    "DeleteQueue",
    "SendMessage",
    "ReceiveMessage",
    "DeleteMessageBatch",
)

STAGES = ("begun", "done")


@dataclass
class Accidents:
    """What happens to a process every ``every_seconds``, until ``until_seconds``.

    Attributes:
        stopped_part: how many are stopped and not killed.
        stopped_seconds: for how long, at least and at most.
        spares: tells who is not struck.
        struck: how often it was at each request and stage; "any" is in between.
    """

    fleet: Fleet
    every_seconds: float
    until_seconds: float
    stopped_part: float
    stopped_seconds: tuple[float, float]
    spares: Callable[[Node], bool] = lambda _: False
    struck: list[tuple[str, str]] = field(default_factory=list, init=False)
    stops: int = field(default=0, init=False)

    @property
    def late_seconds(self) -> float:
        """How long after ``until_seconds`` somebody may still be struck, who was waited for."""
        return 2.0 * self.every_seconds

    def start(self) -> None:
        self._world.at(self.every_seconds, self._next)

    def _next(self) -> None:
        world = self._world
        near = [each for each in self.fleet.nodes if self._may_be_struck(each)]
        if near:
            self._lie_in_wait(world.random.choice(near))
        if world.seconds + self.every_seconds <= self.until_seconds:
            world.at(world.seconds + self.every_seconds, self._next)

    def _may_be_struck(self, node: Node) -> bool:
        return node.process.on_request is None and not node.stopped and not self.spares(node)

    def _lie_in_wait(self, node: Node) -> None:
        world = self._world
        moment = (world.random.choice(OPERATIONS), world.random.choice(STAGES))

        def on_request(operation: str, stage: str) -> None:
            if (operation, stage) == moment:
                # Not here: this may be a thread of the process.
                world.at(world.seconds, lambda: self._strike(node, moment))

        node.process.on_request = on_request
        # It may have nothing of the kind to ask.
        seconds = world.random.uniform(0.5 * self.late_seconds, self.late_seconds)
        world.at(world.seconds + seconds, lambda: self._strike(node, ("any", "")))

    def _strike(self, node: Node, moment: tuple[str, str]) -> None:
        if not node.process.alive or node.process.on_request is None or self.spares(node):
            node.process.on_request = None
            return
        node.process.on_request = None
        self.struck.append(moment)
        if self._world.random.random() < self.stopped_part:
            self.stops += 1
            node.stop(self._world.random.uniform(*self.stopped_seconds))
            return
        self.fleet.kill(node)
        seconds = self._world.random.uniform(*REPLACED_SECONDS)
        self._world.at(self._world.seconds + seconds, lambda: self._replace(node))

    def _replace(self, node: Node) -> None:
        new: Node = (
            self.fleet.worker(node.hostname)
            if isinstance(node, FleetWorker)
            else self.fleet.monitor()
        )
        # Some get no further than into their first requests.
        if self._world.random.random() < 0.3 and self._world.seconds < self.until_seconds:
            self._lie_in_wait(new)

    @property
    def _world(self) -> World:
        return self.fleet.cloud.world
