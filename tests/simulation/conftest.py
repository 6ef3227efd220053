"""A simulated world with AWS in it, for each test."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Any

import pytest

from celery_aws.broker import Transport
from celery_aws.core.schedule import LANES, Lane
from celery_aws.names import QueueName, QueueUrl
from celery_aws.schedule import mover
from tests.simulation import together
from tests.simulation.clocks import WorldClock
from tests.simulation.cloud import Cloud
from tests.simulation.publisher import Publisher
from tests.simulation.worker import Starts, Worker
from tests.simulation.world import World


@dataclass
class Deployment:
    """AWS, those who publish, and the workers.

    Attributes:
        lanes: what the workers move.
        queues: what they consume.
        wrong_seconds: by how much their times of day are wrong, at most.
    """

    world: World
    cloud: Cloud
    starts: Starts = field(default_factory=Starts)
    workers: list[Worker] = field(default_factory=list)
    publishers: list[Publisher] = field(default_factory=list)
    lanes: Sequence[Lane] = LANES
    queues: Sequence[str] = ("celery",)
    wrong_seconds: float = 0.0
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def publisher(self, **conf: Any) -> Publisher:
        made = Publisher(WorldClock(self.world), **conf)
        self.publishers.append(made)
        return made

    def worker(self) -> Worker:
        made = Worker(
            self.cloud,
            self.starts,
            f"worker-{next(self.numbers)}",
            lanes=self.lanes,
            queues=[self.url(queue) for queue in self.queues],
            ahead_seconds=self.world.random.uniform(-self.wrong_seconds, self.wrong_seconds),
        )
        self.workers.append(made)
        return made

    def leader(self, lane: Lane) -> Worker | None:
        return next((worker for worker in self.workers if worker.leads(lane)), None)

    def url(self, queue: str) -> QueueUrl:
        return self.cloud.sqs.queue_url(QueueName(queue))

    def not_visible(self, queue: str = "celery") -> int:
        names = ["ApproximateNumberOfMessagesNotVisible"]
        return int(self.cloud.sqs.queue_attributes(self.url(queue), names)[names[0]])

    def close(self) -> None:
        self.world.end()
        for publisher in self.publishers:
            publisher.close()


@pytest.fixture
def deploy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], Deployment]]:
    made: list[Deployment] = []

    def deployment(seed: int) -> Deployment:
        world = World(seed)
        cloud = Cloud.of(world)
        monkeypatch.setattr(Transport, "services", staticmethod(lambda _: cloud.sqs))
        monkeypatch.setattr(Transport, "table_services", staticmethod(lambda _: cloud.tables))
        monkeypatch.setattr(Transport, "clock", WorldClock(world))
        # Its threads have to be of the world.
        monkeypatch.setattr(
            mover,
            "ThreadPoolExecutor",
            lambda count, thread_name_prefix: together.WorldExecutor(world, count),
        )
        monkeypatch.setattr(mover, "wait", partial(together.wait, world))
        made.append(Deployment(world, cloud))
        return made[-1]

    yield deployment
    for each in made:
        each.close()
