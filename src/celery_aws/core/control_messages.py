"""What a control command says, read from its message: whom it is for, and what it revokes.

A worker forgets revokes, and knows none of before its start; what waits outside of the workers
has to hear of them too. Facts: celery/app/control.py ``revoke``, celery/worker/control.py
``revoke`` and ``terminate``, kombu/pidbox.py ``_publish``, ``get_queue``, ``get_reply_queue`` and
``exchange_fmt``.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from celery_aws.core.bodies import published_body
from celery_aws.core.routing import Binding

#: ``terminate`` is what ``celery control terminate`` sends; ``Control.terminate`` sends a revoke.
_METHODS = ("revoke", "terminate")

#: What a serializer may make of several names.
_SEVERAL = (list, tuple, set, frozenset)

_SUFFIX = ".pidbox"
_REPLY_PREFIX = "reply."
# An oid is a UUID. No queue of a node's own: ``w@mail.reply.example.celery.pidbox`` is one.
_REPLY_QUEUE = re.compile(r"([^.@]+)\.reply\..+\.pidbox")


@dataclass(frozen=True, kw_only=True)
class ControlCommand:
    """A command on its way to workers.

    Attributes:
        method: what they shall do.
        destination: the nodes that it is for; None is all, those of a pattern, or that only the
            nodes themselves can tell.
        reply_to: the oid of who waits for replies, None if nobody does.
        task_ids: what it revokes.
        for_all: it names neither nodes nor a pattern.
    """

    method: str = ""
    destination: frozenset[str] | None = None
    reply_to: str | None = None
    task_ids: tuple[str, ...] = ()
    for_all: bool = False


def is_control_exchange(exchange: str) -> bool:
    """Tell whether control commands are published to the exchange of this name."""
    return exchange.endswith(_SUFFIX) and not exchange.startswith(_REPLY_PREFIX)


def is_reply_exchange(exchange: str) -> bool:
    """Tell whether replies to control commands are published to the exchange of this name."""
    return exchange.endswith(_SUFFIX) and exchange.startswith(_REPLY_PREFIX)


def reply_oid(queue: str) -> str | None:
    """Return the oid of the client whose reply queue this is, None if it is no reply queue."""
    found = _REPLY_QUEUE.fullmatch(queue)
    return None if found is None else found[1]


def control_command(message: Mapping[str, Any]) -> ControlCommand:
    """Return what a virtual message on its way out commands; an empty one if that cannot be read.

    An id that is revoked names one task, so it counts for whichever workers the command is meant.
    Stamped headers name no ids.

    Args:
        message: as for :func:`celery_aws.core.task_eta.task_timing`. The body is only decoded if
            the message is no task of protocol 2 and ``method`` is in it.
    """
    if "task" in (message.get("headers") or {}):
        return ControlCommand()
    body = published_body(message, mentioning=b"method")
    if not isinstance(body, dict) or not isinstance(body.get("method"), str):
        return ControlCommand()
    destination = body.get("destination")
    return ControlCommand(
        method=body["method"],
        destination=_nodes(destination) if destination else None,
        reply_to=_oid(body.get("reply_to")),
        task_ids=_revoked_ids(body),
        for_all=not destination and not (body.get("pattern") and body.get("matcher")),
    )


def heard_by(command: ControlCommand, exchange: str, bindings: Iterable[Binding]) -> list[Binding]:
    """Return those of the bound queues whose nodes act on a command; the others would ignore it.

    Args:
        command: the command.
        exchange: that it is published to.
        bindings: of the exchange.
    """
    if command.destination is None:
        return list(bindings)
    queues = {f"{node}.{exchange}" for node in command.destination}
    return [binding for binding in bindings if binding.queue in queues]


def _nodes(destination: Any) -> frozenset[str] | None:
    # A pickle may name them by classes, which are not looked into here.
    if not isinstance(destination, _SEVERAL) or not all(isinstance(n, str) for n in destination):
        return None
    return frozenset(destination)


def _oid(reply_to: Any) -> str | None:
    oid = reply_to.get("routing_key") if isinstance(reply_to, dict) else None
    return oid if isinstance(oid, str) else None


def _revoked_ids(body: Mapping[str, Any]) -> tuple[str, ...]:
    if body["method"] not in _METHODS:
        return ()
    arguments = body.get("arguments")
    task_ids = arguments.get("task_id") if isinstance(arguments, dict) else None
    several = task_ids if isinstance(task_ids, _SEVERAL) else [task_ids]
    return tuple(dict.fromkeys(each for each in several if isinstance(each, str)))
