"""Leaders are killed and stopped again and again: no task is lost, and few are sent twice."""

import logging
import os
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import pytest

from celery_aws.core.schedule import FIFO, LATE_SECONDS, STANDARD
from celery_aws.limits import SQS_BATCH_ENTRIES, SQS_DELAY_SECONDS_MAX
from celery_aws.names import QueueName
from tests.integration.workers.rounds import soak_rounds
from tests.simulation.cloud import Sent
from tests.simulation.conftest import Deployment
from tests.simulation.kills import Kills
from tests.simulation.worker import VISIBILITY_SECONDS

Deploy = Callable[[int], Deployment]

HOUR = 3_600
MINUTES = 15
WORKERS = 3
EVERY_SECONDS = 30

#: What a killed worker had received comes back and is received again.
BACK_SECONDS = VISIBILITY_SECONDS + 1.0


@dataclass
class Run:
    """So many tasks, due between one hour and two, and what became of them.

    Attributes:
        apart_seconds: tasks are due together, at moments so far apart; 0 is at any moment.
    """

    deployment: Deployment
    kills: Kills
    tasks: int
    apart_seconds: int

    def go(self) -> None:
        world = self.deployment.world
        publisher = self.deployment.publisher()
        for number in range(self.tasks):
            publisher.send(str(number), countdown=HOUR + self._some_seconds())
        for _ in range(WORKERS):
            self.deployment.worker()
        self.kills.start()
        world.run_until(2 * HOUR + LATE_SECONDS)

    def _some_seconds(self) -> float:
        random, apart = self.deployment.world.random, self.apart_seconds
        return random.randrange(0, HOUR, apart) if apart else random.uniform(0, HOUR)

    @cached_property
    def copies(self) -> dict[str, list[Sent]]:
        copies = defaultdict(list)
        for sent in self.deployment.cloud.sqs.sent:
            copies[sent.task_id].append(sent)
        return copies

    @property
    def lost(self) -> int:
        return self.tasks - len(self.deployment.starts.of)

    @property
    def duplicates(self) -> int:
        return sum(len(copies) - 1 for copies in self.copies.values())

    def started_without_reason(self) -> list[str]:
        """Return what was started more often than sent, without a worker's end as the reason."""
        starts = self.deployment.starts
        return [
            task_id
            for task_id, of in starts.of.items()
            if len(of) > len(self.copies[task_id]) and task_id not in starts.excused
        ]

    def late(self) -> dict[str, float]:
        """Return what did not start within a second, with the seconds."""
        first = {task_id: of[0].late_seconds for task_id, of in self.deployment.starts.of.items()}
        return {task_id: seconds for task_id, seconds in first.items() if not 0 <= seconds <= 1}

    def __str__(self) -> str:
        tables, sqs = self.deployment.cloud.tables, self.deployment.cloud.sqs
        late = self.late()
        return (
            f"{self.tasks} tasks, {len(self.kills.killed)} leaders killed, "
            f"{len(self.kills.stopped)} stopped: {self.lost} lost, {self.duplicates} sent twice, "
            f"{len(late)} later than 1 s, by at most {max(late.values(), default=0.0):.2f} s; "
            f"{tables.write_units} write units, {tables.read_units:.0f} read units, "
            f"{sqs.count('SendMessageBatch')} SendMessageBatch, {dict(tables.requests)}"
        )


def run_of(deployment: Deployment, tasks: int, *, apart_seconds: int = 0, **how: float) -> Run:
    deployment.lanes = [STANDARD]
    # From when the first may go, until all have gone.
    from_seconds, until_seconds = HOUR - SQS_DELAY_SECONDS_MAX, 2 * HOUR
    kills = Kills(deployment, STANDARD, EVERY_SECONDS, from_seconds, until_seconds, **how)
    run = Run(deployment, kills, tasks, apart_seconds)
    run.go()
    return run


def check(run: Run) -> None:
    assert run.lost == 0
    ends = len(run.kills.killed) + len(run.kills.stopped)
    assert 0 < run.duplicates <= SQS_BATCH_ENTRIES * ends
    assert run.started_without_reason() == []
    assert run.deployment.cloud.sqs.messages(QueueName("celery")) == []


def check_on_time(run: Run) -> None:
    """All that a killed worker had not received is on time, and that as soon as it is back."""
    late = run.late()
    assert max(late.values(), default=0.0) <= BACK_SECONDS
    # An answer that was on its way to a worker is not what it had received.
    unexcused = late.keys() - run.deployment.starts.excused
    assert len(unexcused) <= len(run.kills.killed)


def test_a_leader_is_killed_every_30_seconds(deploy: Deploy) -> None:
    run = run_of(deploy(1), 4_000, ambush_part=0.03)
    check(run)
    check_on_time(run)
    for copies in run.copies.values():
        assert all(sent.again for sent in copies[1:])


@pytest.mark.parametrize("wrong_seconds", [0.0, 30.0], ids=["", "clocks are wrong"])
def test_leaders_are_stopped_for_minutes_or_killed_at_their_first_batch(
    deploy: Deploy, wrong_seconds: float
) -> None:
    deployment = deploy(2)
    deployment.wrong_seconds = wrong_seconds
    # Some fifteen batches at once, so that there is much to go on with for who comes back.
    run = run_of(deployment, 1_500, apart_seconds=360, stopped_part=0.5, ambush_part=0.03)
    assert run.kills.stopped
    check(run)
    # Who comes back in the middle of a turn does not know that it was away, but does no more than
    # what it had begun.
    for copies in run.copies.values():
        assert len(copies) == 1 or any(sent.again for sent in copies)
    later = [sent for copies in run.copies.values() for sent in copies[1:]]
    stale = Counter(sent.sender for sent in later if not sent.again)
    stopped = Counter(run.kills.stopped)
    assert stale
    assert all(count <= SQS_BATCH_ENTRIES * stopped[name] for name, count in stale.items())


def test_a_fifo_queue_is_late_by_a_takeover_and_drops_what_comes_twice(deploy: Deploy) -> None:
    deployment = deploy(1)
    deployment.lanes, deployment.queues = [FIFO], ["orders.fifo"]
    publisher, random = deployment.publisher(), deployment.world.random
    for number in range(500):
        countdown = 10 + random.uniform(0, MINUTES * 60)
        publisher.send(str(number), countdown=countdown, queue="orders.fifo")
    for _ in range(WORKERS):
        deployment.worker()
    kills = Kills(deployment, FIFO, 120, 60, MINUTES * 60)
    kills.start()
    deployment.world.run_until((MINUTES + 2) * 60)
    assert len(kills.killed) > MINUTES / 4
    starts = deployment.starts
    assert len(starts.of) == 500
    assert [task_id for task_id in starts.of if len(starts.of[task_id]) > 1] == []
    copies = Counter(sent.task_id for sent in deployment.cloud.sqs.sent)
    assert max(copies.values()) == 2
    late = [of[0].late_seconds for of in starts.of.values()]
    assert min(late) >= 0
    assert max(late) <= FIFO.lease_seconds + 2 * FIFO.renew_seconds
    assert sum(seconds > 1 for seconds in late) < len(late) / 2


@pytest.mark.soak
def test_a_hundred_thousand_tasks(deploy: Deploy, caplog: pytest.LogCaptureFixture) -> None:
    first = int(os.environ.get("CELERY_AWS_SOAK_SEED", "1"))
    caplog.set_level(logging.ERROR)
    # One takes three minutes and kills 28 leaders.
    for seed in range(first, first + max(1, soak_rounds(100) // 100)):
        run = run_of(deploy(seed), 100_000)
        print(f"seed {seed}: {run}", flush=True)
        check(run)
        check_on_time(run)
