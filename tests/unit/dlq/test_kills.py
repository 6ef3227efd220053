"""A redrive, or a drop, that is killed between any two steps loses nothing."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from celery_aws.aws.access import Access
from celery_aws.aws.operators import OperatorServices
from celery_aws.broker.directory import QueueDirectory
from celery_aws.broker.large_messages import LargeMessages
from celery_aws.config.broker import BrokerOptions
from celery_aws.core.messages import OutgoingMessage
from celery_aws.core.queue_depth import QueueDepth
from celery_aws.dlq import looking
from celery_aws.dlq.archive import Archive
from celery_aws.dlq.destinations import Destinations
from celery_aws.dlq.dropping import Dropper
from celery_aws.dlq.looking import Look
from celery_aws.dlq.moving import Mover
from celery_aws.dlq.queues import DeadLetterQueue, SourceQueue
from celery_aws.dlq.reading import LetterReader
from celery_aws.limits import SQS_BATCH_ENTRIES
from celery_aws.names import QueueArn, QueueName
from celery_aws.testing import FakeClock, MemoryOperators, MemoryS3, MemorySqs

DEAD, SOURCE = QueueName("celery-dead-letter"), QueueName("celery")
ACCESS = Access(region="eu-west-1")
HIDDEN_SECONDS = 60
MESSAGES = 25

#: More requests than any run here makes.
REQUESTS = 30


class KilledError(BaseException):
    """The process is no more."""


class Mortal:
    """Kills whoever asks SQS, before or after one of its requests takes effect."""

    def __init__(self, sqs: MemorySqs, monkeypatch: pytest.MonkeyPatch) -> None:
        self.requests = 0
        self._dies_at: float = float("inf")
        self._before, self._after = sqs.faults.before, sqs.faults.after
        monkeypatch.setattr(sqs.faults, "before", self._meet(self._before, 0.0))
        monkeypatch.setattr(sqs.faults, "after", self._meet(self._after, 0.5))

    def dies_at(self, moment: float) -> None:
        """Let it die at a request; half a request more is after its effect."""
        self.requests, self._dies_at = 0, moment

    def _meet(self, go_on: Callable[[str], None], part: float) -> Callable[[str], None]:
        def meet(operation: str) -> None:
            if self.requests + part >= self._dies_at:
                raise KilledError
            go_on(operation)
            if part:
                self.requests += 1

        return meet


class Scene:
    """A dead-letter queue, where it came from, and somebody mortal who works on it."""

    def __init__(self, clock: FakeClock, sqs: MemorySqs, mortal: Mortal) -> None:
        self.clock, self.sqs, self.mortal = clock, sqs, mortal
        self.url = sqs.create_queue(DEAD, {}, {})
        source = SourceQueue(name=SOURCE, url=sqs.create_queue(SOURCE, {}, {}))
        options = BrokerOptions()
        directory = QueueDirectory(options, ACCESS, lambda _: sqs, clock)
        self.large_messages = LargeMessages(options, MemoryS3(), clock)
        self.queue = DeadLetterQueue(
            name=DEAD,
            url=self.url,
            arn=QueueArn(""),
            depth=QueueDepth(),
            sources=(source,),
            sources_known=True,
            policy=None,
            service=sqs,
            access=ACCESS,
        )
        self.destinations = Destinations(self.queue, directory)
        for number in range(MESSAGES):
            sqs.send(self.url, OutgoingMessage(body=str(number)))

    def look(self) -> Look:
        return Look(self.queue, clock=self.clock, hidden_seconds=HIDDEN_SECONDS)

    def redrive(self) -> None:
        reader = LetterReader(self.large_messages)
        with self.look() as look:
            mover = Mover(look, self.destinations, clock=self.clock)
            for page in look.pages():
                mover.move(reader.read(page))

    def drop(self, path: Path) -> None:
        reader = LetterReader(self.large_messages)
        with self.look() as look, Archive(path) as archive:
            dropper = Dropper(
                DEAD,
                look,
                reader=reader,
                large_messages=self.large_messages,
                archive=archive,
            )
            for page in look.pages():
                dropper.drop(reader.read(page))

    def bodies(self, name: QueueName) -> Counter[str]:
        return Counter(each.body for each in self.sqs.messages(name))


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    clock = FakeClock()
    sqs = MemorySqs(clock)
    operators = MemoryOperators(sqs)
    monkeypatch.setattr(OperatorServices, "dead_letters", staticmethod(lambda _: operators))
    monkeypatch.setattr(looking, "WAIT_SECONDS", 0)
    yield Scene(clock, sqs, Mortal(sqs, monkeypatch))
    sqs.close()


ALL = Counter(map(str, range(MESSAGES)))
MOMENTS = [request / 2 for request in range(2 * REQUESTS)]


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_redrive_that_is_killed_is_finished_by_the_next(scene: Scene, moment: float) -> None:
    scene.mortal.dies_at(moment)
    try:
        scene.redrive()
        killed = False
    except KilledError:
        killed = True
    scene.mortal.dies_at(float("inf"))
    assert ALL.keys() <= {*scene.bodies(DEAD), *scene.bodies(SOURCE)}

    scene.clock.advance(HIDDEN_SECONDS)
    scene.redrive()

    sent = scene.bodies(SOURCE)
    assert sent.keys() == ALL.keys()
    assert scene.bodies(DEAD) == Counter()
    assert (sent - ALL).total() <= (SQS_BATCH_ENTRIES if killed else 0)
    assert max(sent.values()) <= 2


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_drop_that_is_killed_has_written_down_whatever_is_gone(
    scene: Scene, moment: float, tmp_path: Path
) -> None:
    archive = tmp_path / "dead.jsonl"
    scene.mortal.dies_at(moment)
    with suppress(KilledError):
        scene.drop(archive)
    scene.mortal.dies_at(float("inf"))
    lines = archive.read_text().splitlines() if archive.exists() else []
    assert {json.loads(line)["body"] for line in lines} >= {*(ALL - scene.bodies(DEAD))}

    scene.clock.advance(HIDDEN_SECONDS)
    scene.drop(archive)

    assert scene.bodies(DEAD) == Counter()
    assert {json.loads(line)["body"] for line in archive.read_text().splitlines()} == {*ALL}
