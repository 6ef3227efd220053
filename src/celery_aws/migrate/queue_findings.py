"""What is found about one queue before it is moved. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from celery_aws.core.durations import duration_text
from celery_aws.core.priorities import HIGHEST_NUMBER
from celery_aws.core.queue_facts import QueueFacts
from celery_aws.limits import SQS_RETENTION_SECONDS_DEFAULT
from celery_aws.migrate.inventory import QueueCount, Trouble
from celery_aws.migrate.new_side import NewQueue, NewSide
from celery_aws.migrate.plan_findings import Level, PlanFinding, counted


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """What the plan of one queue knows, beside the queue itself.

    Attributes:
        target: where it goes.
        side: the new side.
        wanted: somebody has named the queue, and takes care that it is consumed.
        rabbitmq: the old broker's first priority is 9.
        tasks_a_second: what the new workers do with this queue; None if nobody said.
    """

    target: NewQueue
    side: NewSide
    wanted: bool = False
    rabbitmq: bool = False
    tasks_a_second: float | None = None


def queue_findings(count: QueueCount, outlook: Outlook) -> Iterator[PlanFinding]:
    """Yield what is found about one queue that has, or may have, messages."""
    yield from _of_destination(count, outlook)
    yield from _of_troubles(count, outlook)
    yield from _of_retention(count, outlook)
    yield from _of_etas(count, outlook)
    yield from _of_priorities(count, outlook)
    if count.held:
        yield PlanFinding(
            name="messages-held",
            level=Level.WARNING,
            where=count.queue,
            what=f"{counted(count.held)} held by old workers: running, prefetched, or waiting "
            "there for an eta",
            remedy="Nothing now. Stop the old workers warm when `migrate status` says so: they "
            "finish what runs and give the rest back, and the next run moves that. What a killed "
            "worker held is moved by `migrate run --take-held`, when no old worker is left",
        )


def _of_destination(count: QueueCount, outlook: Outlook) -> Iterator[PlanFinding]:
    target, side = outlook.target, outlook.side
    level = Level.BLOCK if count.messages or count.held else Level.NOTE
    if target.problem is not None:
        yield PlanFinding(
            name="queue-unroutable",
            level=level,
            where=count.queue,
            what=f"{counted(count.messages)}, and no queue to go to: {target.problem}",
            remedy=f"Declare it in the new app, or name another one: --queue {count.queue}=NAME",
        )
        return
    if target.missing and not (target.named or outlook.wanted):
        yield PlanFinding(
            name="queue-unroutable",
            level=level,
            where=count.queue,
            what=f"{counted(count.messages)}, and the new app has no queue {target.queue!r}: "
            "no worker would consume it",
            remedy="Add it to task_queues (or task_routes) of the new app and provision it, or "
            f"name another one: --queue {count.queue}=NAME",
        )
    elif target.missing:
        yield PlanFinding(
            name="queue-missing",
            level=Level.WARNING if side.creates_queues else level,
            where=count.queue,
            what=f"SQS has no queue {', '.join(target.missing)} yet"
            + ("; the first message would create it" if side.creates_queues else ""),
            remedy="Run `celery -A proj aws provision apply`",
        )
    elif not target.named:
        yield PlanFinding(
            name="queue-not-named",
            level=Level.WARNING,
            where=count.queue,
            what=f"SQS has a queue {target.queue!r}, but the new app does not name it: perhaps no "
            "worker consumes it",
            remedy="Add it to task_queues of the new app, or make sure that workers have it in -Q",
        )
    if target.unseen:
        yield PlanFinding(
            name="queue-unseen",
            level=Level.WARNING,
            where=count.queue,
            what=f"not allowed to look for {', '.join(target.unseen)}",
            remedy="Grant sqs:GetQueueUrl and sqs:GetQueueAttributes on it",
        )


def _of_troubles(count: QueueCount, outlook: Outlook) -> Iterator[PlanFinding]:
    for trouble in count.troubles:
        if trouble.kind == "oversize" and outlook.side.bucket is not None:
            yield PlanFinding(
                name="messages-through-s3",
                level=Level.NOTE,
                where=count.queue,
                what=f"{counted(trouble.count)} too large for SQS, such as {trouble.example}: "
                f"the bodies go through bucket {outlook.side.bucket}",
                remedy="Nothing",
            )
        elif trouble.kind == "unroutable" and (outlook.target.named or outlook.wanted):
            yield PlanFinding(
                name="queue-not-declared",
                level=Level.WARNING,
                where=count.queue,
                what=f"{counted(trouble.count)} in a queue that the old configuration does not "
                f"declare; they go to {outlook.target.queue} of the new app",
                remedy="Make sure that they are tasks of this app, or give --queue for the others",
            )
        else:
            yield _of_trouble(trouble, count)
    facts = outlook.target.facts
    if facts is None or count.largest_bytes is None or outlook.side.bucket is not None:
        return
    known = any(trouble.kind == "oversize" for trouble in count.troubles)
    if count.largest_bytes > facts.max_message_bytes and not known:
        yield PlanFinding(
            name="messages-oversize",
            level=Level.WARNING,
            where=count.queue,
            what=f"the largest message has {count.largest_bytes} bytes, and the new queue takes "
            f"{facts.max_message_bytes}: such messages go into the quarantine file",
            remedy="Raise the queue's MaximumMessageSize, or set large_message_bucket",
        )


def _of_trouble(trouble: Trouble, count: QueueCount) -> PlanFinding:
    names = {
        "oversize": ("messages-oversize", Level.WARNING, "too large: to the quarantine file"),
        "unreadable": (
            "messages-unreadable",
            Level.WARNING,
            "unreadable: to the quarantine file",
        ),
        "unroutable": ("queue-unroutable", Level.BLOCK, "without a queue to go to: left"),
        "retention": ("retention-short", Level.BLOCK, "that SQS would delete before their time"),
    }
    name, level, what = names[trouble.kind]
    return PlanFinding(
        name=name,
        level=level,
        where=count.queue,
        what=f"{counted(trouble.count)} {what}; such as {trouble.example}",
        remedy=trouble.remedy,
    )


def _of_retention(count: QueueCount, outlook: Outlook) -> Iterator[PlanFinding]:
    facts = outlook.target.facts
    if facts is None or not count.messages:
        return
    kept = duration_text(facts.retention_seconds)
    remedy = "Raise MessageRetentionPeriod of the queue; 14 days is the most"
    if outlook.tasks_a_second is not None:
        needed = count.messages / outlook.tasks_a_second
        if needed > facts.retention_seconds:
            yield PlanFinding(
                name="retention-short",
                level=Level.BLOCK,
                where=count.queue,
                what=f"{counted(count.messages)} take {duration_text(needed)} at "
                f"{outlook.tasks_a_second:g} tasks/s, and the queue keeps them for {kept}: SQS "
                "deletes the rest in silence",
                remedy=f"{remedy}, or start more workers",
            )
    elif facts.retention_seconds < SQS_RETENTION_SECONDS_DEFAULT:
        yield PlanFinding(
            name="retention-short",
            level=Level.WARNING,
            where=count.queue,
            what=f"the queue keeps messages for {kept} only, and has {counted(count.messages)} "
            "to take",
            remedy=f"{remedy}; --tasks-per-second tells whether the workers are fast enough",
        )


def _of_etas(count: QueueCount, outlook: Outlook) -> Iterator[PlanFinding]:
    etas = count.delayed + (count.with_eta or 0)
    far = etas if count.with_far_eta is None else count.with_far_eta
    if outlook.side.parks or not far:
        return
    last = count.latest_eta_seconds
    facts = outlook.target.facts or QueueFacts()
    if outlook.target.fifo:
        too_long = last is None or last > facts.retention_seconds
        yield PlanFinding(
            name="eta-without-schedule",
            level=Level.BLOCK if too_long else Level.WARNING,
            where=count.queue,
            what=f"{counted(far)} due later than SQS can delay, in a FIFO queue, and no "
            f"schedule: workers would have to hold them; SQS deletes them after "
            f"{duration_text(facts.retention_seconds)}",
            remedy="Leave coordination_table on",
        )
        return
    yield PlanFinding(
        name="eta-without-schedule",
        level=Level.WARNING,
        where=count.queue,
        what=f"{counted(far)} due later than SQS can delay, and no schedule: each goes around "
        "through a worker every 15 minutes, which costs three requests",
        remedy="Leave coordination_table on",
    )


def _of_priorities(count: QueueCount, outlook: Outlook) -> Iterator[PlanFinding]:
    used = [priority for priority, messages in count.waiting.items() if messages]
    steps = outlook.target.priorities.steps
    if len(used) > 1 and len(steps) == 1:
        yield PlanFinding(
            name="priorities-folded",
            level=Level.WARNING,
            where=count.queue,
            what=f"messages of {len(used)} priorities go into one queue, those first that come "
            "first now",
            remedy="Set priority_steps in broker_transport_options, or x-max-priority of the queue",
        )
    if outlook.rabbitmq and len(steps) > 1 and outlook.target.priorities.highest != HIGHEST_NUMBER:
        yield PlanFinding(
            name="priorities-turn-around",
            level=Level.WARNING,
            where=count.queue,
            what="on RabbitMQ priority 9 comes first, and in the new app 0 does: what is moved "
            "keeps its order, what the app sends with apply_async(priority=9) comes last",
            remedy="Set highest_priority to 9 in broker_transport_options",
        )
