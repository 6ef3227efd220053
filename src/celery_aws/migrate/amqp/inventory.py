"""What is in a RabbitMQ, counted without taking anything.

AMQP tells of a queue whose name is known how many messages are ready; the HTTP API tells the rest.
No message is looked at: a get delivers it, and each delivery of a quorum queue counts against its
limit.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from celery_aws.clock import Clock, SystemClock
from celery_aws.migrate.amqp.delays import Routes
from celery_aws.migrate.amqp.line import Line, LineLostError, line_of
from celery_aws.migrate.amqp.management import Management
from celery_aws.migrate.amqp.queue_names import DELAY_QUEUES, OldQueues, is_control, is_delay
from celery_aws.migrate.amqp.routes import facts_of, management_of, routes_of
from celery_aws.migrate.inventory import Inventory, OtherKeys, QueueCount, Trouble
from celery_aws.migrate.old_app import address
from celery_aws.names import AmqpQueue

#: Arguments by which a queue throws messages away, or moves them, by itself.
_TOLD_ARGUMENTS: Mapping[str, str] = {
    "x-message-ttl": "removes messages after {value} ms",
    "x-expires": "is itself deleted after {value} ms without a consumer",
    "x-dead-letter-exchange": "dead-letters to the exchange {value!r}",
    "x-max-length": "takes {value} messages at most",
    "x-delivery-limit": "passes on what was delivered {value} times",
    "x-single-active-consumer": "has one active consumer: {value}",
}

_UNSEEN = (
    "without RabbitMQ's HTTP API only queues can be seen that the old configuration names in "
    "task_queues or task_routes"
)

#: How old the numbers of the HTTP API may be: RabbitMQ collects them every 5 seconds, and they were
#: seen to be 7 seconds old.
_BEHIND_SECONDS = 10.0

_LOOK_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """All that was found out.

    Attributes:
        old: what the app declares.
        told: by the HTTP API, by queue; None if there is none.
        version: RabbitMQ's.
    """

    old: OldQueues
    told: Mapping[AmqpQueue, Mapping[str, Any]] | None
    version: str


def amqp_inventory(
    app: Any,
    *,
    queues: Collection[AmqpQueue] | None = None,
    management_url: str | None = None,
    clock: Clock | None = None,
) -> Inventory:
    """Return what is in an app's RabbitMQ. Costs a few requests a queue, and two of HTTP.

    Where messages are held in a queue without a consumer it takes up to ten seconds, as the HTTP
    API may still tell of those that a run has just moved.

    Args:
        app: the old one.
        queues: only these; None is all that the app declares and that the HTTP API tells of.
        management_url: of the HTTP API; None looks for it on the broker's host.
        clock: for pauses.

    Raises:
        BrokerLostError: RabbitMQ does not answer.
        ConfigurationError: it does not let us in.
        ManagementError: there is nobody at ``management_url``.
    """
    line = line_of(app, name="inventory")
    try:
        management = management_of(app, management_url)
        seen = _seen(app, line, management)
        counted = [_counted(name, line, seen, queues) for name in _names(seen, queues)]
        if management is not None:
            counted = _settled(counted, management, SystemClock() if clock is None else clock)
        delayed = _delayed(line)
        routes = routes_of(seen.old, management) if delayed else None
    except LineLostError as error:
        raise error.at(address(app.connection_for_read().as_uri())) from error
    finally:
        line.close()
    present = [each for each in counted if each is not None]
    shown, everywhere = _attributed(present, delayed, routes)
    return Inventory(
        source=address(app.connection_for_read().as_uri()),
        server=f"RabbitMQ {seen.version}".strip(),
        queues=tuple(shown),
        others=tuple(_others(seen)),
        delayed=everywhere,
        notes=tuple(_notes(seen, present, management, delayed)),
        incomplete=_UNSEEN if queues is None and seen.told is None else None,
    )


def _seen(app: Any, line: Line, management: Management | None) -> _Seen:
    with line.connection() as connection:
        properties = connection.connection.server_properties
    return _Seen(
        old=OldQueues.of(app),
        told=facts_of(management),
        version=str(properties.get("version", "")),
    )


def _names(seen: _Seen, queues: Collection[AmqpQueue] | None) -> list[AmqpQueue]:
    """Return the queues of tasks, those of the app first."""
    if queues is not None:
        return [name for name in dict.fromkeys(queues) if not is_control(name)]
    told = [name for name, facts in (seen.told or {}).items() if _is_for_tasks(name, facts)]
    names = dict.fromkeys([*seen.old.names, *sorted(told)])
    return [name for name in names if not is_control(name) and not is_delay(name)]


def _is_for_tasks(name: AmqpQueue, facts: Mapping[str, Any]) -> bool:
    own = bool(facts.get("exclusive")) or bool(facts.get("auto_delete"))
    return not own and not is_control(name) and not is_delay(name)


def _counted(
    name: AmqpQueue, line: Line, seen: _Seen, queues: Collection[AmqpQueue] | None
) -> QueueCount | None:
    declared = line.declared(name)
    if declared is None:
        return None
    facts = (seen.told or {}).get(name, {})
    known = name in seen.old.names or queues is not None
    return QueueCount(
        queue=name,
        waiting={0: declared.ready} if declared.ready else {},
        held=facts.get("messages_unacknowledged"),
        bytes=facts.get("message_bytes_ready"),
        consumers=declared.consumers,
        troubles=() if known or not declared.ready else (_unroutable(name, declared.ready),),
    )


def _settled(
    counted: Sequence[QueueCount | None], management: Management, clock: Clock
) -> list[QueueCount | None]:
    """Return the counts once the HTTP API has heard of what nobody holds any more.

    It is some seconds behind. A worker that ends warm consumes nothing and holds messages, too, so
    what stays is held.
    """
    settled = list(counted)
    until = clock.monotonic() + _BEHIND_SECONDS
    while any(map(_may_be_late, settled)) and clock.monotonic() < until:
        clock.sleep(_LOOK_SECONDS)
        told = facts_of(management) or {}
        settled = [
            replace(each, held=told.get(each.queue, {}).get("messages_unacknowledged"))
            if each is not None and _may_be_late(each)
            else each
            for each in settled
        ]
    return settled


def _may_be_late(count: QueueCount | None) -> bool:
    return count is not None and bool(count.held) and not count.consumers


def _unroutable(name: AmqpQueue, count: int) -> Trouble:
    return Trouble(
        kind="unroutable",
        count=count,
        example=f"queue {name}",
        remedy=f"the app does not declare this queue: name it by --queue {name}=NEW, or declare it "
        "in task_queues; if its messages are nobody's, purge it",
    )


def _delayed(line: Line) -> int:
    """Return how many messages wait in native delays."""
    if line.declared(DELAY_QUEUES[max(DELAY_QUEUES)]) is None:
        return 0
    counts = (line.declared(name) for name in DELAY_QUEUES.values())
    return sum(each.ready for each in counts if each is not None)


def _attributed(
    queues: Sequence[QueueCount], delayed: int, routes: Routes | None
) -> tuple[list[QueueCount], int]:
    """Give delayed messages to their queue, if there is only one that they can be for."""
    possible = routes.queues if routes is not None else frozenset[AmqpQueue]()
    if len(possible) != 1 or not delayed or not any(each.queue in possible for each in queues):
        return list(queues), delayed
    return [
        replace(each, delayed=delayed) if each.queue in possible else each for each in queues
    ], 0


def _others(seen: _Seen) -> Iterator[OtherKeys]:
    control = [
        name
        for name, facts in (seen.told or {}).items()
        if not is_delay(name) and not _is_for_tasks(name, facts)
    ]
    if control:
        yield OtherKeys(
            kind="control",
            count=len(control),
            example=min(control),
            note="queues of remote control, replies and events go with their processes",
        )


def _notes(
    seen: _Seen, queues: Sequence[QueueCount], management: Management | None, delayed: int
) -> Iterator[str]:
    if seen.told is None:
        why = "was not found" if management is None else "does not show queues to this user"
        yield (
            f"RabbitMQ's HTTP API {why} (--management-url): queues that the app does not declare, "
            "messages that workers hold, sizes and policies could not be seen"
        )
    if delayed:
        yield (
            f"{delayed} message(s) wait in RabbitMQ's native delays (celery_delayed_0 to "
            "celery_delayed_27); only a run learns for which queues they are"
        )
    for each in queues:
        yield from _queue_notes(each.queue, seen)


def _queue_notes(name: AmqpQueue, seen: _Seen) -> Iterator[str]:
    arguments = _arguments(name, seen)
    for key, text in _TOLD_ARGUMENTS.items():
        if arguments.get(key):
            yield f"queue {name} {text.format(value=arguments[key])}: SQS has its own settings"
    if arguments.get("x-max-priority") or seen.old.has_priorities(name):
        yield (
            f"queue {name} has priorities: RabbitMQ's 9 comes first and becomes 0, which comes "
            "first on SQS; set priority_steps there, or there are none"
        )


def _arguments(name: AmqpQueue, seen: _Seen) -> Mapping[str, Any]:
    facts = (seen.told or {}).get(name, {})
    declared = seen.old.declared.get(name)
    policies = facts.get("effective_policy_definition") or {}
    return {
        **{f"x-{key}": value for key, value in dict(policies).items()},
        **((declared.queue_arguments or {}) if declared is not None else {}),
        **dict(facts.get("arguments") or {}),
    }
