"""Celery's names of queues, and what becomes of them on AWS."""

from collections import defaultdict
from collections.abc import Iterator

from celery_aws.aws.access import region_of_host
from celery_aws.core.queue_names import name_problem, queue_name
from celery_aws.core.queue_plan import priorities_of
from celery_aws.doctor.facts import Facts
from celery_aws.doctor.finding import Finding, error, notice, warning
from celery_aws.names import AmqpQueue, QueueName

COLLIDE = error(
    "queue-names-collide",
    "Two of Celery's queues are one queue on SQS, because SQS has no dots and few other signs: "
    "workers of one get the tasks of the other.",
    "Rename one of them",
)
REFUSED = error(
    "queue-name-refused",
    "SQS takes no queue of this name.",
    "Rename the queue, or shorten queue_name_prefix",
)
CHANGED = notice(
    "queue-name-changed",
    "The queue has another name on SQS, as on Celery's own sqs://: a dot is '-', other signs are "
    "'_'. Policies, alarms and other programs need that name.",
    "Nothing has to be done",
)
UNDEFINED = error(
    "queue-not-predefined",
    "The app sends to a queue, or consumes it, that predefined_queues leaves out: that fails.",
    "Add it to broker_transport_options['predefined_queues'], or remove that option so that queues "
    "are found by name",
)
OTHER_REGION = error(
    "queue-url-of-another-region",
    "The URL of a predefined queue is in another region than it is asked for in: SQS says that it "
    "does not exist.",
    "Give the queue its 'region' in predefined_queues",
)
UNKNOWN_TASK = warning(
    "backoff-task-unknown",
    "backoff_tasks of a predefined queue names a task that the app does not have: the policy does "
    "nothing for it.",
    "Write the task's full name, as `celery -A proj inspect registered` shows it",
)
ROUTERS = notice(
    "routers-not-asked",
    "Functions in task_routes decide about queues; which ones they name cannot be known, so those "
    "were not looked at.",
    "Name the queues: `celery -A proj aws doctor --queue NAME`",
)

KINDS = (COLLIDE, REFUSED, CHANGED, UNDEFINED, OTHER_REGION, UNKNOWN_TASK, ROUTERS)


def translations(facts: Facts) -> Iterator[Finding]:
    """Look at what becomes of names on SQS."""
    options = facts.deployment.options
    if options is None or options.predefined_queues:
        return
    meant: dict[QueueName, list[str]] = defaultdict(list)
    for queue in facts.celery.queues:
        for step in priorities_of(queue, options).queues(queue.name):
            meant[queue_name(step, options.queue_name_prefix)].append(step)
    for name, queues in meant.items():
        yield from _translation(name, queues, options.queue_name_prefix)


def predefined(facts: Facts) -> Iterator[Finding]:
    """Look at what ``predefined_queues`` says, and does not say."""
    options = facts.deployment.options
    if options is None:
        return
    for queue in facts.deployment.undefined:
        known = ", ".join(sorted(options.predefined_queues))
        yield UNDEFINED.found(f"queue {queue}", f"predefined are: {known}")
    for each in facts.celery.queues:
        yield from _steps(facts, each.name)
    tasks = {task.name for task in facts.celery.tasks}
    for name, found in options.predefined_queues.items():
        for task in sorted(set(found.backoff_tasks) - tasks):
            yield UNKNOWN_TASK.found(f"predefined_queues[{name!r}]", f"no task {task!r}")


def regions(facts: Facts) -> Iterator[Finding]:
    """Compare the URLs of predefined queues with the regions that they are asked for in."""
    for queue in facts.queues:
        region = region_of_host(queue.planned.url or "")
        if region not in (None, queue.region):
            evidence = f"{queue.planned.url} is in {region}, and is asked for in {queue.region}"
            yield OTHER_REGION.found(queue.what, evidence)


def routers(facts: Facts) -> Iterator[Finding]:
    """Tell which routers could not be asked."""
    if facts.deployment.routers:
        yield ROUTERS.found("task_routes", ", ".join(facts.deployment.routers))


def _translation(name: QueueName, queues: list[str], prefix: str) -> Iterator[Finding]:
    problem = name_problem(name)
    if len(queues) > 1:
        yield COLLIDE.found(f"queue {name}", f"it is {' and '.join(map(repr, queues))} in Celery")
    if problem is not None:
        yield REFUSED.found(f"queue {name}", problem)
    elif name != prefix + queues[0]:
        yield CHANGED.found(f"queue {name}", f"{prefix + queues[0]!r} in Celery, with the prefix")


def _steps(facts: Facts, queue: AmqpQueue) -> Iterator[Finding]:
    """Look for steps of a predefined queue's priorities that are not predefined."""
    options = facts.deployment.options
    declared = next(each for each in facts.celery.queues if each.name == queue)
    if options is None or not options.predefined_queues or queue in facts.deployment.undefined:
        return
    known = options.predefined_queues
    for step in priorities_of(declared, options).queues(queue):
        if not known.get(step) and not known.get(queue_name(step, options.queue_name_prefix)):
            yield UNDEFINED.found(f"queue {step}", f"it is a step of the priorities of {queue!r}")


CHECKS = (translations, predefined, regions, routers)
