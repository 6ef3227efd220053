"""``cleanup``: nothing goes that may be in use, and nothing without its confirmation."""

import json
from typing import Any
from uuid import uuid4

import pytest

from celery_aws.broker.coordination import Coordination
from celery_aws.core.inbox_items import InboxRecord
from celery_aws.core.inboxes import inbox_name
from celery_aws.core.messages import OutgoingMessage
from celery_aws.core.routing import Binding
from celery_aws.names import AmqpQueue, InboxId, QueueName, QueueUrl
from celery_aws.testing.clock import FakeClock
from tests.unit.cli.conftest import Graveyard

DAY = 86_400


class Left:
    """What somebody left behind."""

    def __init__(self, graveyard: Graveyard) -> None:
        self.shop = graveyard.shop
        self.sqs = graveyard.shop.sqs
        with self.shop.app.connection_for_write() as connection:
            self.shared: Coordination = connection.transport.coordination

    def queue(self, name: str, *bodies: str) -> str:
        fifo = {"FifoQueue": "true"} if name.endswith(".fifo") else {}
        url = self.sqs.create_queue(QueueName(name), fifo, {})
        for body in bodies:
            self.sqs.send(url, OutgoingMessage(body=body))
        return name

    def inbox(self, *, registered: bool = False) -> str:
        inbox = InboxId(uuid4().hex)
        if registered:
            self.shared.inboxes.put(
                InboxRecord(
                    inbox=inbox, url=QueueUrl("u"), owner="o", version="1", duration_seconds=60
                )
            )
        return self.queue(inbox_name("", inbox))

    def there(self) -> set[str]:
        names = {call.resource for call in self.sqs.calls if call.operation == "CreateQueue"}
        return {name for name in names if self._is_there(name)}

    def _is_there(self, name: str) -> bool:
        with self.sqs.account("look", name) as (account, _):
            return any(queue.name == name for queue in account.all())

    def clean(self, *arguments: str, typed: str = "") -> Any:
        return self.shop.run("cleanup", *arguments, typed=typed)


@pytest.fixture
def left(graveyard: Graveyard) -> Left:
    return Left(graveyard)


def test_nothing_is_left_behind(left: Left) -> None:
    left.queue("celery", "one")

    ended = left.clean()

    assert (ended.exit_code, ended.stdout) == (0, "")
    assert "Nothing is left behind" in ended.stderr


def test_it_asks_first_and_deletes_what_is_sure(left: Left, clock: FakeClock) -> None:
    kept = {left.queue("celery", "one"), left.queue(f"celeryev-{uuid4()}")}
    sure = {left.queue(f"celeryev-{uuid4()}", "event"), left.inbox()}
    kept.add(left.queue(f"{uuid4()}-reply-celery-pidbox"))
    kept |= {left.inbox(registered=True), left.queue("celery_host-celery-pidbox", "shutdown")}
    clock.advance(2 * DAY)
    kept.add(left.queue(f"{uuid4()}-reply-celery-pidbox"))

    refused = left.clean(typed="n\n")
    assert refused.exit_code == 1
    assert "Will delete 2 queue(s) and 0 binding(s)." in refused.stderr
    assert left.there() == kept | sure

    granted = left.clean(typed="y\n")
    assert granted.exit_code == 0
    assert "goes with --probable" in granted.stderr
    assert {*granted.stdout.splitlines()} == sure
    assert left.there() == kept


def test_what_is_probable_goes_only_if_somebody_says_so(left: Left, clock: FakeClock) -> None:
    events = left.queue(f"celeryev-{uuid4()}")
    replies = left.queue(f"{uuid4()}-reply-celery-pidbox")
    mailbox = left.queue("celery_host-celery-pidbox")
    clock.advance(2 * DAY)

    assert left.clean("--yes").stdout == ""
    ended = left.clean("--yes", "--probable")

    assert {*ended.stdout.splitlines()} == {events, replies}
    assert left.there() == {mailbox}


def test_a_monitor_that_lags_a_moment_is_alive(left: Left, clock: FakeClock) -> None:
    name = QueueName(left.queue(f"celeryev-{uuid4()}"))
    clock.advance(2 * DAY)
    left.sqs.send(left.sqs.queue_url(name), OutgoingMessage(body="a new event"))

    ended = left.clean("--yes", "--json")

    (found,) = json.loads(ended.stdout)["queues"]
    assert (found["visible"], found["left_behind"]) == (1, "probable")
    assert left.there() == {name}


def test_the_plan_has_its_evidence_and_changes_nothing(left: Left, clock: FakeClock) -> None:
    name = left.queue(f"celeryev-{uuid4()}", "event")
    clock.advance(2 * DAY)

    ended = left.clean("--plan", "--json")

    assert ended.exit_code == 1
    (found,) = json.loads(ended.stdout)["queues"]
    assert found == {
        "name": name,
        "kind": "events for a monitor (stock)",
        "created_at": "2026-03-14T15:09:26+00:00",
        "modified_at": "2026-03-14T15:09:26+00:00",
        "visible": 1,
        "in_flight": 0,
        "delayed": 0,
        "oldest_message_at": "2026-03-14T15:09:26.535897+00:00",
        "left_behind": "sure",
        "reason": "nobody has read a message for 48 h",
        "deleted": False,
    }
    assert left.there() == {name}


def test_only_of_the_apps_prefix(left: Left, clock: FakeClock) -> None:
    left.shop.options(queue_name_prefix="shop-")
    mine = left.queue(f"shop-celeryev-{uuid4()}", "event")
    others = {left.queue(f"celeryev-{uuid4()}", "event"), left.inbox()}
    clock.advance(2 * DAY)

    assert left.clean("--yes").stdout == f"{mine}\n"
    assert left.there() == others


def test_whoever_begins_to_receive_keeps_the_queue(
    left: Left, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = QueueName(left.queue(f"celeryev-{uuid4()}", "event"))
    clock.advance(2 * DAY)
    url = left.sqs.queue_url(name)

    def receive(*_: object, **__: object) -> bool:
        left.sqs.receive(url, max_messages=1, wait_seconds=0, visibility_timeout_seconds=60)
        return True

    monkeypatch.setattr("click.confirm", receive)

    ended = left.clean()

    assert (ended.exit_code, ended.stdout) == (1, "")
    assert left.there() == {name}


def test_bindings_that_lead_nowhere(left: Left) -> None:
    left.queue("there")

    def bind(queue: str, inbox: str | None = None) -> Binding:
        binding = Binding(
            exchange="news",
            kind="topic",
            queue=AmqpQueue(queue),
            routing_key="#",
            inbox=None if inbox is None else InboxId(inbox),
            inbox_url=None if inbox is None else QueueUrl("u"),
            token=None if inbox is None else "t",
        )
        left.shared.bindings.put(binding)
        return binding

    kept = bind("there")
    bind("gone")
    bind("of a process", "dead")

    ended = left.clean("--yes", "--json")

    assert ended.exit_code == 0, ended.output
    assert [(each["queue"], each["reason"]) for each in json.loads(ended.stdout)["bindings"]] == [
        ("gone", "its queue is gone"),
        ("of a process", "its process has no inbox any more"),
    ]
    assert left.shared.bindings.all() == [kept]


def test_a_queue_that_is_declared_anew_keeps_its_binding(
    left: Left, monkeypatch: pytest.MonkeyPatch
) -> None:
    binding = Binding(exchange="news", kind="topic", queue=AmqpQueue("late"), routing_key="#")
    left.shared.bindings.put(binding)

    def declare(*_: object, **__: object) -> bool:
        left.queue("late")
        return True

    monkeypatch.setattr("click.confirm", declare)

    ended = left.clean()

    assert ended.exit_code == 0, ended.output
    assert "0 queue(s) and 0 binding(s) deleted" in ended.stderr
    assert left.shared.bindings.all() == [binding]


def test_without_a_table_no_inbox_is_touched(left: Left, clock: FakeClock) -> None:
    name = left.inbox()
    left.shop.options(coordination_table=False)
    clock.advance(2 * DAY)

    assert left.clean("--yes", "--probable").exit_code == 0
    assert left.there() == {name}
