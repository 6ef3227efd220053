"""The queues that an app names: in ``task_queues``, routes, tasks and its beat schedule.

What is not written down cannot be known here: queues that a function routes to, that a call names
(``apply_async(queue=...)``) or a worker alone (``celery worker -Q``). Facts: celery/app/amqp.py
(``Queues``), celery/app/routes.py (``prepare``, ``MapRoute``), celery/app/task.py
(``extract_exec_options``), celery/beat.py (``_maybe_entry``).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kombu.transport.base import to_rabbitmq_queue_arguments

from celery_aws.broker.directory import QueueDirectory
from celery_aws.core.queue_plan import CeleryQueue
from celery_aws.core.queue_traits import Home, QueueTraits
from celery_aws.names import AmqpQueue


@dataclass(frozen=True, kw_only=True)
class AppQueues:
    """The queues of an app.

    Attributes:
        queues: that need SQS, in the order in which they were found, each once.
        routers: what ``task_routes`` has that only a task can be asked of, as text.
        transient: the names of those that live in their process's memory.
    """

    queues: tuple[CeleryQueue, ...]
    routers: tuple[str, ...] = ()
    transient: tuple[AmqpQueue, ...] = ()


def app_queues(app: Any, *, others: Iterable[str] = ()) -> AppQueues:
    """Return the queues that an app names. No request.

    The modules with its tasks are imported, as a worker does.

    Args:
        app: a Celery app.
        others: names of queues that it does not name, of Celery's.
    """
    app.loader.import_default_modules()
    known = app.amqp.queues
    named = [*_in_routes(app.conf.task_routes), *_of_tasks(app), *_of_beat(app), *others]
    found: dict[AmqpQueue, CeleryQueue | None] = {}
    for queue in [*known.values(), *named]:
        declared = _declared(known, queue) if isinstance(queue, str) else queue
        name = AmqpQueue(declared if isinstance(declared, str) else declared.name)
        found.setdefault(name, _queue(app, declared))
    return AppQueues(
        queues=tuple(queue for queue in found.values() if queue is not None),
        routers=tuple(_routers(app.conf.task_routes)),
        transient=tuple(name for name, queue in found.items() if queue is None),
    )


def declare_priorities(app: Any, directory: QueueDirectory) -> None:
    """Tell a broker which of an app's queues have priorities, as a worker's start does. No request.

    Args:
        app: a Celery app.
        directory: of its broker.
    """
    for queue in app_queues(app).queues:
        if queue.max_priority is not None:
            directory.set_max_priority(queue.name, queue.max_priority)


def beat_options(conf: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the names of an app's beat entries, and with which options each sends its task."""
    for name, entry in dict(conf.beat_schedule or {}).items():
        # A dict, or an entry as beat makes it of one.
        given = entry.get("options") if isinstance(entry, Mapping) else entry.options
        yield name, dict(given or {})


def _declared(known: Any, name: str) -> Any:
    """Return a queue by its name or alias, or the name; looking it up may create it."""
    return known.aliases.get(name) or known.get(name, name)


def _queue(app: Any, queue: Any) -> CeleryQueue | None:
    """Return a queue as it is declared; None for one in its process's memory."""
    if isinstance(queue, str):
        # As Celery declares one that it creates because somebody named it.
        return CeleryQueue(
            name=AmqpQueue(queue), max_priority=_highest(app.conf.task_queue_max_priority)
        )
    arguments = to_rabbitmq_queue_arguments(
        dict(queue.queue_arguments or {}),
        expires=queue.expires,
        message_ttl=queue.message_ttl,
        max_priority=queue.max_priority,
    )
    traits = QueueTraits.of(
        exclusive=queue.exclusive, auto_delete=queue.auto_delete, arguments=arguments
    )
    fanout = queue.exchange is not None and queue.exchange.type == "fanout"
    if traits.home is Home.MEMORY or (traits.home is Home.BY_BINDING and fanout):
        return None
    return CeleryQueue(
        name=AmqpQueue(queue.name), max_priority=_highest(arguments.get("x-max-priority"))
    )


def _highest(priority: Any) -> int | None:
    return None if priority is None else int(priority)


def _each_router(routes: Any) -> Iterator[Any]:
    if routes is not None:
        yield from routes if isinstance(routes, (list, tuple)) else (routes,)


def _in_routes(routes: Any) -> Iterator[Any]:
    for router in _each_router(routes):
        if not isinstance(router, (Mapping, list, tuple)):
            continue
        pairs = router.items() if isinstance(router, Mapping) else router
        for _, route in pairs:
            queue = route if isinstance(route, str) else dict(route).get("queue")
            if queue:
                yield queue


def _routers(routes: Any) -> Iterator[str]:
    for router in _each_router(routes):
        if not isinstance(router, (Mapping, list, tuple)):
            yield router if isinstance(router, str) else _function_name(router)


def _function_name(router: Any) -> str:
    where = router if hasattr(router, "__qualname__") else type(router)
    return f"{where.__module__}.{where.__qualname__}"


def _of_tasks(app: Any) -> Iterator[Any]:
    for _, task in sorted(app.tasks.items()):
        queue = getattr(task, "queue", None)
        if queue:
            yield queue


def _of_beat(app: Any) -> Iterator[Any]:
    for _, options in beat_options(app.conf):
        queue = options.get("queue")
        if queue:
            yield queue
