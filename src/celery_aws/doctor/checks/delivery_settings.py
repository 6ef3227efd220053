"""Settings of Celery's that decide what becomes of a message: acknowledgement, prefetch, priority.

Facts: docs/explanation/delivery.md; celery/worker/request.py (``on_failure``: a lost worker's task
is acknowledged, unless ``task_reject_on_worker_lost``).
"""

from collections.abc import Iterator

from celery_aws.core.queue_names import is_fifo
from celery_aws.core.queue_plan import priorities_of
from celery_aws.doctor.facts import Facts, TaskFacts
from celery_aws.doctor.finding import Finding, notice, warning
from celery_aws.limits import SQS_VISIBILITY_TIMEOUT_SECONDS_MAX

#: From here on a task is long: what a deploy ends, somebody misses.
LONG_TASK_SECONDS = 3_600

#: What a worker may take for each process of its pool before others visibly have nothing to do.
_MANY_PREFETCHED = 20

_SHOWN = 3

BEYOND = warning(
    "late-acks-beyond-12-hours",
    "Tasks that are acknowledged late may run for more than twelve hours, after which SQS hands "
    "their message out again, and they run a second time.",
    "Give them acks_late=False, or a time_limit below 43200, or cut them up",
)
LONG_EARLY = notice(
    "long-tasks-acknowledged-early",
    "Tasks with a time limit of an hour or more are acknowledged when they start: they are lost "
    "when their worker is killed, or stopped before they end.",
    "Give them acks_late=True if they can be run twice; no longer visibility_timeout is needed",
)
CHILD_LOST = notice(
    "late-acks-without-worker-lost",
    "Tasks are acknowledged late, but Celery acknowledges them too when their pool process is "
    "killed, by the kernel for want of memory for example: they are lost.",
    "Set task_reject_on_worker_lost = True as well, with a dead-letter queue for tasks that kill "
    "each worker",
)
LOOP = warning(
    "worker-lost-without-dead-letters",
    "A task that kills its pool process is put back, and nothing ends that: its queue has no "
    "dead-letter queue.",
    "Make a dead-letter queue: `celery -A proj aws provision apply`",
)
NO_EFFECT = notice(
    "setting-needs-late-acks",
    "The setting does nothing: tasks are acknowledged when they start, so none is delivered again.",
    "Set task_acks_late = True as well, or leave it out",
)
FIFO_EARLY = warning(
    "fifo-acknowledged-early",
    "Messages of a FIFO queue are deleted when their task starts, so the next of the same group "
    "may start while it runs: the order is not kept.",
    "Set task_acks_late = True, or acks_late=True on the tasks of that queue",
)
UNLIMITED = warning(
    "prefetch-unlimited",
    "worker_prefetch_multiplier is 0: a worker takes all that waits, into its memory and in "
    "flight; others have nothing to do, and at 120,000 messages in flight nobody receives any "
    "more.",
    "Set worker_prefetch_multiplier to 4 (Celery's default), or 1 for long tasks",
)
MANY = notice(
    "prefetch-large",
    "A worker takes many tasks for each process: they wait there while other workers may be idle.",
    "Lower worker_prefetch_multiplier: with 4 a receive from a busy queue brings five or more "
    "already",
)
NO_STEPS = warning(
    "priority-without-steps",
    "Tasks are given a priority, and a queue has none: SQS has no priorities, so it does nothing.",
    "Set broker_transport_options['priority_steps'], or max_priority of the queue "
    "(docs/how-to/priorities.md)",
)
EAGER = warning(
    "tasks-always-eager",
    "task_always_eager is on: tasks run in who calls them, and nothing goes to SQS.",
    "Leave task_always_eager out, except in tests",
)

KINDS = (BEYOND, LONG_EARLY, CHILD_LOST, LOOP, NO_EFFECT, FIFO_EARLY, UNLIMITED, MANY, NO_STEPS,
         EAGER)  # fmt: skip


def long_tasks(facts: Facts) -> Iterator[Finding]:
    """Look at tasks by their time limits."""
    tasks = [task for task in facts.celery.tasks if task.time_limit_seconds is not None]
    limit = SQS_VISIBILITY_TIMEOUT_SECONDS_MAX
    beyond = [task for task in tasks if task.acks_late and (task.time_limit_seconds or 0) > limit]
    if beyond:
        yield BEYOND.found("time_limit", _tasks(beyond))
    early = [
        task
        for task in tasks
        if not task.acks_late and (task.time_limit_seconds or 0) >= LONG_TASK_SECONDS
    ]
    if early:
        yield LONG_EARLY.found("acks_late", _tasks(early))


def lost_workers(facts: Facts) -> Iterator[Finding]:
    """Look at what becomes of tasks that kill their process."""
    late = [task for task in facts.celery.tasks if task.acks_late]
    back = [task for task in late if task.reject_on_worker_lost or task.retry_on_worker_lost]
    lost = [task for task in late if task not in back]
    if lost:
        yield CHILD_LOST.found("task_reject_on_worker_lost", _tasks(lost))
    # A retry ends by itself, after max_retries.
    if all(task.retry_on_worker_lost for task in back):
        return
    for queue in facts.queues:
        if queue.attributes.answer is not None and queue.dead_letters is None:
            yield LOOP.found(queue.what, "it has no RedrivePolicy")


def without_effect(facts: Facts) -> Iterator[Finding]:
    """Look for settings that need late acknowledgement."""
    settings, tasks = facts.celery.settings, facts.celery.tasks
    if settings.get("task_acks_late") or any(task.acks_late for task in tasks):
        return
    for name in ("task_reject_on_worker_lost", "worker_deduplicate_successful_tasks"):
        if settings.get(name):
            yield NO_EFFECT.found(name, "no task has acks_late")


def fifo(facts: Facts) -> Iterator[Finding]:
    """Look at FIFO queues."""
    tasks = facts.celery.tasks
    if not tasks or any(task.acks_late for task in tasks):
        return  # which task goes to which queue is not known
    for queue in facts.celery.queues:
        if is_fifo(queue.name):
            yield FIFO_EARLY.found(f"queue {queue.name}", "no task has acks_late")


def prefetch(facts: Facts) -> Iterator[Finding]:
    """Look at how much a worker takes."""
    multiplier = facts.celery.settings.get("worker_prefetch_multiplier")
    if multiplier == 0:
        yield UNLIMITED.found("worker_prefetch_multiplier", "it is 0")
    elif multiplier is not None and multiplier > _MANY_PREFETCHED:
        yield MANY.found("worker_prefetch_multiplier", f"it is {multiplier}")


def priorities(facts: Facts) -> Iterator[Finding]:
    """Look for priorities that nothing goes by."""
    options = facts.deployment.options
    where = list(facts.celery.priorities_in)
    where += [f"task {task.name}" for task in facts.celery.tasks if task.priority is not None]
    if options is None or not where:
        return
    queues = facts.celery.queues
    if queues and all(len(priorities_of(queue, options).steps) == 1 for queue in queues):
        evidence = ", ".join(where[:_SHOWN]) + ("" if len(where) <= _SHOWN else ", ...")
        yield NO_STEPS.found("priority", f"given by {evidence}")


def eager(facts: Facts) -> Iterator[Finding]:
    """Tell if nothing is sent at all."""
    if facts.celery.settings.get("task_always_eager"):
        yield EAGER.found("task_always_eager", "it is on")


def _tasks(tasks: list[TaskFacts]) -> str:
    names = ", ".join(task.name for task in tasks[:_SHOWN])
    more = f", and {len(tasks) - _SHOWN} more" if len(tasks) > _SHOWN else ""
    return f"{len(tasks)} task(s): {names}{more}"


CHECKS = (long_tasks, lost_workers, without_effect, fifo, prefetch, priorities, eager)
