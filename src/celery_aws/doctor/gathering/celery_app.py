"""An app's configuration as facts. No request.

Facts: celery/app/task.py (``from_config``: what a task has of the configuration);
celery/backends/base.py ``apply_chord`` (the fallback looks again and again).
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from celery.backends.base import Backend, DisabledBackend

from celery_aws.config.broker import options_without_effect
from celery_aws.deployment.app_queues import app_queues, beat_options
from celery_aws.doctor.facts import CeleryFacts, TaskFacts
from celery_aws.results import our_backend

#: Celery's settings that checks look at.
SETTINGS: Final = (
    "accept_content",
    "broker_connection_retry",
    "broker_connection_retry_on_startup",
    "broker_heartbeat",
    "broker_use_ssl",
    "result_accept_content",
    "result_chord_retry_interval",
    "task_acks_late",
    "task_always_eager",
    "task_reject_on_worker_lost",
    "task_track_started",
    "worker_cancel_long_running_tasks_on_connection_loss",
    "worker_deduplicate_successful_tasks",
    "worker_enable_remote_control",
    "worker_prefetch_multiplier",
)

#: Celery's own tasks are called so.
_CELERYS = "celery."


def celery_facts(app: Any, queues: Iterable[str] = ()) -> CeleryFacts:
    """Return what matters of an app.

    Args:
        app: a Celery app.
        queues: Celery's names of queues that the configuration does not name.
    """
    found = app_queues(app, others=queues)
    conf, ours = app.conf, our_backend(app)
    return CeleryFacts(
        settings={name: conf.get(name) for name in SETTINGS},
        tasks=tuple(_tasks(app)),
        queues=found.queues,
        priorities_in=tuple(_priorities(conf)),
        options_without_effect=tuple(options_without_effect(conf.broker_transport_options or {})),
        result_life_seconds=None if ours is None else ours.lifetimes.result,
        stock_chords=ours is not None and ours.stock_chords,
        chords_poll=_chords_poll(app.backend),
    )


def _tasks(app: Any) -> Iterator[TaskFacts]:
    for name, task in sorted(app.tasks.items()):
        if not name.startswith(_CELERYS):
            limits = [each for each in (task.soft_time_limit, task.time_limit) if each is not None]
            yield TaskFacts(
                name=name,
                acks_late=bool(task.acks_late),
                reject_on_worker_lost=bool(task.reject_on_worker_lost),
                # Since Celery 5.7.
                retry_on_worker_lost=bool(getattr(task, "retry_on_worker_lost", None)),
                priority=_own_priority(task, app.conf),
                time_limit_seconds=float(max(limits)) if limits else None,
            )


def _own_priority(task: Any, conf: Any) -> int | None:
    priority = getattr(task, "priority", None)
    return None if priority in (None, conf.task_default_priority) else int(priority)


def _priorities(conf: Any) -> Iterator[str]:
    if conf.task_default_priority is not None:
        yield "task_default_priority"
    for name, options in beat_options(conf):
        if options.get("priority") is not None:
            yield f"beat_schedule[{name!r}]"
    routes = conf.task_routes
    for router in routes if isinstance(routes, (list, tuple)) else (routes,):
        for pattern, route in router.items() if isinstance(router, Mapping) else ():
            if isinstance(route, Mapping) and route.get("priority") is not None:
                yield f"task_routes[{pattern!r}]"


def _chords_poll(backend: Any) -> bool:
    kind = type(backend)
    return (
        not isinstance(backend, DisabledBackend)
        and kind.apply_chord is Backend.apply_chord
        and "apply_chord" not in vars(backend)
        and kind.ensure_chords_allowed is Backend.ensure_chords_allowed
    )
