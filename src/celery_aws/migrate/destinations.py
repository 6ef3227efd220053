"""Which queues of the old side go where, and which stay because nobody would consume them. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from celery_aws.migrate.new_side import NewQueue, NewSide
from celery_aws.names import AmqpQueue


@dataclass(frozen=True, kw_only=True)
class Destinations:
    """Where queues go.

    Attributes:
        moved: old names to new names.
        blocked: queues that are not touched, by their old names, and why.
    """

    moved: Mapping[AmqpQueue, AmqpQueue] = field(default_factory=dict)
    blocked: Mapping[AmqpQueue, str] = field(default_factory=dict)


def destinations(
    queues: Iterable[AmqpQueue], wanted: Mapping[AmqpQueue, AmqpQueue], side: NewSide
) -> Destinations:
    """Return where the queues of the old side go.

    Args:
        queues: their names, as far as they are known.
        wanted: old names to new names; if there are any, only these queues go. Who names a queue
            here takes care that it is consumed.
        side: the new side, with the queues that may be entered.
    """
    pairs = wanted or {queue: queue for queue in queues}
    blocked = {
        old: why
        for old, new in pairs.items()
        if (why := _problem(side.queues[new], side, wanted=old in wanted)) is not None
    }
    moved = {old: new for old, new in pairs.items() if old not in blocked}
    return Destinations(moved=moved, blocked=blocked)


def _problem(target: NewQueue, side: NewSide, *, wanted: bool) -> str | None:
    if target.problem is not None:
        return target.problem
    if not target.missing:
        return None
    names = ", ".join(target.missing)
    if not side.creates_queues:
        return f"SQS has no queue {names}, and it may not be created: provision it"
    if not target.named and not wanted:
        return (
            f"SQS has no queue {names}, and the new app does not name it, so that no worker would "
            "consume it: add it to task_queues, or name it by --queue"
        )
    return None
