"""What was sent is followed: to a worker, in the schedule, in a queue; on doubles of AWS."""

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from kombu import pools

from celery_aws.broker import Transport
from celery_aws.core.messages import OutgoingMessage
from celery_aws.core.migration_marks import MigrationMark
from celery_aws.errors import ConfigurationError
from celery_aws.migrate.inventory import Inventory
from celery_aws.migrate.journal import Entry, Journal
from celery_aws.migrate.messages import Carried, Fate
from celery_aws.migrate.quarantine import Quarantine, Quarantined
from celery_aws.migrate.sqs_target import key_of_mark
from celery_aws.migrate.verification import Verification
from celery_aws.migrate.verify import verify_messages, with_results
from celery_aws.names import AmqpQueue, QueueName
from celery_aws.testing.clock import FakeClock
from celery_aws.testing.memory_dynamodb import MemoryTableService
from celery_aws.testing.memory_sqs import MemorySqs
from tests.unit.migrate.scenes import count, inventory

SOURCE = "redis://localhost:6379/0"
CELERY = AmqpQueue("celery")
BEGAN = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)


class Moved:
    """A new side on doubles, and the journal of what was moved there."""

    def __init__(self, path: Path, app: Any, sqs: MemorySqs) -> None:
        self.path = path
        self.app = app
        self.sqs = sqs
        self.journal = Journal(path)
        self.journal.begin(source=SOURCE, target="aws+sqs://", name="passage-1", now=BEGAN)

    def sent(self, *task_ids: str, parked: bool = False) -> None:
        """Note that messages were sent; key and id are alike."""
        self._note(Fate.SENT, task_ids, parked=parked)

    def waits(self, *task_ids: str, queue: str = "celery") -> None:
        """Put messages into a queue."""
        url = self.sqs.queue_url(QueueName(queue))
        for task_id in task_ids:
            self.sqs.send(url, OutgoingMessage(body=task_id))

    def received(self, *task_ids: str) -> None:
        """Let a worker claim messages."""
        with self.app.connection_for_write() as connection:
            shared = connection.transport.coordination
            for task_id in task_ids:
                key = key_of_mark(f"key-{task_id}", task_id, passage="passage-1")
                shared.migration_claims.claim(MigrationMark(task_key=key, copy_id="1"), "")

    def set_aside(self, *task_ids: str, at: datetime = BEGAN, noted: bool = True) -> None:
        """Put messages into the quarantine file."""
        messages = [
            Quarantined(
                message=Carried(
                    key=f"key-{task_id}",
                    queue=CELERY,
                    envelope={"headers": {"id": task_id}, "properties": {}, "body": ""},
                ),
                fate=Fate.REVOKED,
                reason="its task was revoked",
            )
            for task_id in task_ids
        ]
        Quarantine.beside(self.path, source=SOURCE).add(messages, now=at)
        if noted:
            self._note(Fate.REVOKED, task_ids)

    def verified(self, left: Inventory | None = None) -> Verification:
        return verify_messages(self.path, left or inventory(count("celery", 0)), self.app)

    def differences(self) -> dict[str, tuple[str, ...]]:
        return {each.name: each.examples for each in self.verified().differences}

    def _note(self, fate: Fate, task_ids: tuple[str, ...], *, parked: bool = False) -> None:
        self.journal.record(
            [
                Entry(
                    key=f"key-{each}",
                    queue=CELERY,
                    fate=fate,
                    at=BEGAN,
                    task_id=each,
                    message_id="1",
                    parked=parked,
                )
                for each in task_ids
            ]
        )


@pytest.fixture
def moved(
    tmp_path: Path, bare_environment: pytest.MonkeyPatch, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Moved]:
    clock = FakeClock()
    sqs, tables = MemorySqs(clock), MemoryTableService(clock=clock)
    monkeypatch.setattr(Transport, "services", staticmethod(lambda _: sqs))
    monkeypatch.setattr(Transport, "table_services", staticmethod(lambda _: tables))
    monkeypatch.setattr(Transport, "clock", clock)
    url = "aws+sqs://KEY:SECRET@localhost:1"
    app = Celery("shop", set_as_current=False, broker=url, backend="disabled")
    app.now = clock.now
    app.conf.broker_transport_options = {"region": "eu-west-1", "max_receive_count": 1}
    with app.connection_for_write() as connection:
        connection.transport.directory.declare(CELERY)
    found = Moved(tmp_path / "journal.sqlite", app, sqs)
    yield found
    found.journal.close()
    app.close()
    sqs.close()
    pools.reset()


def test_all_that_was_sent_is_somewhere(moved: Moved) -> None:
    moved.sent("a", "b", "c")
    moved.received("a", "b")
    moved.waits("c")
    found = moved.verified()
    assert found.clean
    assert (found.moved, found.begun, found.waiting) == ({"sent": 3}, 2, 1)
    assert any(
        "1 message sent and not received yet have to be among the 1" in each for each in found.notes
    )


def test_what_is_nowhere_is_named(moved: Moved) -> None:
    moved.sent("a", "b", "c")
    moved.received("a")
    assert moved.differences() == {"messages-missing": ("b", "c")}
    moved.waits("anything")
    [difference] = moved.verified().differences
    assert (difference.count, difference.examples) == (1, ("b", "c"))


def test_a_dead_letter_is_not_missing(moved: Moved) -> None:
    moved.sent("a")
    moved.waits("a", queue="celery-dead-letter")
    assert moved.differences() == {}


def test_a_parked_message_is_in_the_schedule_until_it_goes(moved: Moved) -> None:
    moved.app.send_task("shop.mail", countdown=86_400, task_id="a")
    moved.sent("a", "b", parked=True)
    found = moved.verified()
    assert found.waiting == 1
    assert [each.examples for each in found.differences] == [("b",)]
    moved.received("b")
    assert moved.differences() == {}


def test_the_same_task_in_another_passage_is_another_message(moved: Moved) -> None:
    moved.sent("a")
    moved.received("a")
    moved.journal.begin(source="aws+sqs://", target=SOURCE, name="passage-2", now=BEGAN)
    moved.journal.begin(source=SOURCE, target="aws+sqs://", name="passage-3", now=BEGAN)
    moved.sent("a")
    assert moved.differences() == {"messages-missing": ("a",)}


def test_the_quarantine_file_and_the_journal_agree(moved: Moved) -> None:
    moved.set_aside("a")
    moved.set_aside("old", at=BEGAN - timedelta(seconds=1), noted=False)
    assert moved.differences() == {}
    moved.set_aside("b", noted=False)
    assert moved.differences() == {"quarantine-unrecorded": ("key-b",)}
    moved.path.with_name(moved.path.name + ".quarantine.jsonl").unlink()
    assert moved.differences() == {"quarantine-missing": ("key-a",)}


def test_what_was_sent_after_all_may_be_in_the_quarantine_file(moved: Moved) -> None:
    moved.set_aside("a", noted=False)
    assert moved.differences() == {"quarantine-unrecorded": ("key-a",)}
    moved.sent("a")
    moved.received("a")
    assert moved.differences() == {}


def test_without_a_coordination_table_nobody_follows(moved: Moved) -> None:
    moved.sent("a")
    moved.app.conf.broker_transport_options = {"region": "eu-west-1", "coordination_table": False}
    found = moved.verified()
    assert found.clean
    assert "not followed" in found.notes[0]


def test_what_is_left_is_told(moved: Moved) -> None:
    left = inventory(count("celery", 2, held=1), claimed=3, delayed=4)
    found = {each.name: each.count for each in moved.verified(left).differences}
    assert found == {"messages-left": 6, "messages-claimed": 3, "messages-held": 1}


def test_a_journal_that_is_not_there_or_of_another_move_is_refused(moved: Moved) -> None:
    with pytest.raises(ConfigurationError, match="there is no journal"):
        verify_messages(moved.path.with_name("none"), inventory(), moved.app)
    assert not moved.path.with_name("none").exists()
    other = inventory(source="redis://elsewhere/0")
    with pytest.raises(ConfigurationError, match="is of a move from redis://localhost:6379/0"):
        verify_messages(moved.path, other, moved.app)


def test_results_of_backends_that_cannot_be_listed_are_not_compared(moved: Moved) -> None:
    with Celery("old", set_as_current=False, backend="cache+memory://") as old:
        found = with_results(Verification(moved={}), old, moved.app)
    assert found.clean
    assert "not memory:/// with disabled://" in found.notes[0]
