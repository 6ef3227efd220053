"""Inventories and new sides of tests."""

from collections.abc import Mapping
from typing import Any

from celery_aws.core.priorities import Priorities
from celery_aws.core.queue_facts import QueueFacts
from celery_aws.migrate.inventory import Inventory, OtherKeys, QueueCount, ResultCount, Trouble
from celery_aws.migrate.new_side import NewQueue, NewSide
from celery_aws.names import AmqpQueue, QueueName


def count(name: str = "celery", waiting: Mapping[int, int] | int = 0, **parts: Any) -> QueueCount:
    """A queue of the old side."""
    by_priority = {0: waiting} if isinstance(waiting, int) else waiting
    return QueueCount(queue=AmqpQueue(name), waiting=by_priority, **parts)


def target(name: str = "celery", *, steps: tuple[int, ...] = (0,), **parts: Any) -> NewQueue:
    """A queue of the new side, which is there."""
    priorities = Priorities(steps=steps, highest=parts.pop("highest", 0))
    return NewQueue(
        queue=AmqpQueue(name),
        names={step: QueueName(f"q-{step}") for step in priorities.queues(AmqpQueue(name))},
        priorities=priorities,
        **{"facts": QueueFacts(), **parts},
    )


def side(*queues: NewQueue, **parts: Any) -> NewSide:
    """A new side, with a results table."""
    given = {"region": "us-east-1", "results": "celery-results", **parts}
    return NewSide(queues={each.queue: each for each in queues}, **given)


def inventory(*queues: QueueCount, **parts: Any) -> Inventory:
    """An old side, on Redis and without results."""
    given = {"source": "redis://localhost:6379/0", "server": "Redis 7.0.15", **parts}
    return Inventory(queues=queues, **given)


def trouble(kind: Any, count: int = 1) -> Trouble:
    """Messages that cannot go as they are."""
    return Trouble(kind=kind, count=count, example="id-1", remedy="mend it")


#: Something of everything.
EVERYTHING = inventory(
    count(
        "celery",
        {0: 95, 3: 20, 6: 5},
        held=4,
        with_eta=30,
        with_far_eta=10,
        latest_eta_seconds=86_400.0,
        bytes=120_000,
        largest_bytes=4_000,
        troubles=(trouble("unreadable", 2), trouble("oversize", 1)),
    ),
    count("media.video", 20, held=0),
    others=(
        OtherKeys(kind="schedule", count=3, example="redbeat:nightly", note="beat keeps it there"),
        OtherKeys(
            kind="unknown",
            count=1,
            example="mystery",
            note="look at it",
            blocks=True,
        ),
    ),
    claimed=7,
    results=ResultCount(
        results={"SUCCESS": 990, "FAILURE": 8},
        without_ttl=1,
        seconds_left=80_000.0,
        groups=2,
        chords={"chord-1": (2, 5)},
        bytes=1_000_000,
    ),
    notes=("a replica answers",),
)

#: Where it goes: a queue with two priorities, and one that the app does not have.
EVERYWHERE = side(
    target("celery", steps=(0, 6)),
    target("media.video", named=False, missing=(QueueName("q-media.video"),), facts=None),
)
