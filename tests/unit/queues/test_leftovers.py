"""Which queues are taken to be left behind."""

from datetime import timedelta
from uuid import UUID

import pytest
from celery import Celery
from kombu.transport.SQS import Channel

from celery_aws.core.inboxes import inbox_name
from celery_aws.core.queue_depth import QueueDepth
from celery_aws.names import QueueName
from celery_aws.queues.leftovers import Certainty, Kind, inbox_of, judge, kind_of

ID = UUID("5f0c2a7e-9f0f-4a3c-8d3b-0c5b6a7d8e9f")
MINUTES, HOURS, DAYS = (timedelta(minutes=59), timedelta(hours=2), timedelta(days=2))
UNREAD, TAKEN, EMPTY = QueueDepth(visible=3), QueueDepth(in_flight=1), QueueDepth()


def stock_name(name: str, prefix: str = "") -> QueueName:
    """Return the name on AWS that the stock transport gives a queue."""
    channel = Channel.__new__(Channel)
    channel.__dict__["queue_name_prefix"] = prefix
    return QueueName(channel.entity_name(prefix + name))


@pytest.mark.parametrize("prefix", ["", "shop-", "shop.eu/"])
def test_by_the_names_that_stock_gives_them(prefix: str) -> None:
    control = Celery("shop", set_as_current=False, broker="memory://").control.mailbox
    replies = f"{control.oid}.{control.reply_exchange.name}"
    names = {
        stock_name(f"celeryev.{ID}", prefix): Kind.EVENTS,
        stock_name(replies, prefix): Kind.REPLIES,
        stock_name("celery@worker-1.example.com.celery.pidbox", prefix): Kind.MAILBOX,
    }

    assert {name: kind_of(name, prefix) for name in names} == names


@pytest.mark.parametrize(
    "name",
    [
        "celery",
        "celeryev",
        f"celeryev-{ID.hex}",
        f"my-celeryev-{ID}",
        "celery-dead-letter",
        "orders-reply",
        "celery-pidbox",
        f"celeryev-{ID}-dead-letter",
    ],
)
def test_other_queues_are_nobodys_leftovers(name: str) -> None:
    assert kind_of(QueueName(name), "") is None


@pytest.mark.parametrize("prefix", ["", "shop-", "p" * 60])
def test_inboxes_of_this_prefix_only(prefix: str) -> None:
    name = inbox_name(prefix, ID.hex)

    assert (kind_of(name, prefix), inbox_of(name)) == (Kind.INBOX, ID.hex)
    assert kind_of(name, "other-") is None
    assert kind_of(inbox_name("other-", ID.hex), prefix) is None


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize(("depth", "age"), [(TAKEN, DAYS), (UNREAD, MINUTES), (EMPTY, MINUTES)])
def test_what_is_young_or_received_from_is_in_use(
    kind: Kind, depth: QueueDepth, age: timedelta
) -> None:
    assert judge(kind, depth, age, registered=False).certainty is Certainty.IN_USE


@pytest.mark.parametrize(
    ("kind", "unread", "age", "certainty"),
    [
        (Kind.REPLIES, None, HOURS, Certainty.IN_USE),
        (Kind.REPLIES, None, DAYS, Certainty.PROBABLE),
        (Kind.EVENTS, None, HOURS, Certainty.IN_USE),
        (Kind.EVENTS, None, DAYS, Certainty.PROBABLE),
        (Kind.EVENTS, MINUTES, HOURS, Certainty.IN_USE),
        (Kind.EVENTS, MINUTES, DAYS, Certainty.PROBABLE),
        (Kind.EVENTS, HOURS, DAYS, Certainty.PROBABLE),
        (Kind.EVENTS, DAYS, DAYS, Certainty.SURE),
        (Kind.MAILBOX, None, DAYS, Certainty.IN_USE),
        (Kind.MAILBOX, MINUTES, DAYS, Certainty.IN_USE),
        (Kind.MAILBOX, DAYS, DAYS, Certainty.PROBABLE),
    ],
)
def test_how_sure_it_is(
    kind: Kind, unread: timedelta | None, age: timedelta, certainty: Certainty
) -> None:
    depth = EMPTY if unread is None else UNREAD
    assert judge(kind, depth, age, unread=unread).certainty is certainty


@pytest.mark.parametrize(
    ("registered", "only_registry", "certainty"),
    [
        (True, True, Certainty.IN_USE),
        (None, True, Certainty.IN_USE),
        (False, True, Certainty.SURE),
        (False, False, Certainty.PROBABLE),
    ],
)
def test_an_inbox_is_its_processs_as_long_as_that_is_registered(
    registered: bool | None, only_registry: bool, certainty: Certainty
) -> None:
    found = judge(Kind.INBOX, UNREAD, DAYS, registered=registered, only_registry=only_registry)

    assert found.certainty is certainty
