"""What a migration would do and cost: made of an inventory and a new side. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from celery_aws.core.priorities import HIGHEST_NUMBER
from celery_aws.migrate.destinations import destinations
from celery_aws.migrate.estimate import (
    Pace,
    Requests,
    requests_of_delayed,
    requests_of_queue,
    requests_of_results,
    seconds_of,
)
from celery_aws.migrate.inventory import Inventory, QueueCount, ResultCount
from celery_aws.migrate.new_side import NewSide
from celery_aws.migrate.plan_findings import Level, PlanFinding, inventory_findings
from celery_aws.migrate.prices import Prices, prices_of
from celery_aws.migrate.queue_findings import Outlook, queue_findings
from celery_aws.names import AmqpQueue, QueueName

#: How :attr:`Inventory.server` begins where priority 9 comes first.
RABBITMQ: Final = "RabbitMQ"


@dataclass(frozen=True, kw_only=True)
class StepPlan:
    """What goes to one SQS queue of a queue.

    Attributes:
        name: on AWS.
        messages: by their priority in the old broker; 0 comes first.
    """

    name: QueueName
    messages: Mapping[int, int]


@dataclass(frozen=True, kw_only=True)
class QueuePlan:
    """What becomes of one queue.

    Attributes:
        queue: its old name, of Celery's.
        target: its new one.
        steps: where its messages go, those first that come first.
        messages: what a run would take.
        delayed: those of them that SQS delays until their eta.
        parked: those that wait in the schedule; at most so many if the source does not say when
            etas are.
        quarantined: those that go into the quarantine file.
        stored: those whose body goes through S3.
        held: what old workers hold, which a run does not take; None if nobody knows.
        blocked: a run leaves the queue alone.
        requests: what it takes.
    """

    queue: AmqpQueue
    target: AmqpQueue
    steps: tuple[StepPlan, ...]
    messages: int
    delayed: int = 0
    parked: int = 0
    quarantined: int = 0
    stored: int = 0
    held: int | None = None
    blocked: bool = False
    requests: Requests = field(default_factory=Requests)

    @property
    def moved(self) -> int:
        """Messages that the new side gets."""
        return 0 if self.blocked else self.messages - self.quarantined


@dataclass(frozen=True, kw_only=True)
class MigrationPlan:
    """What a run would do.

    Attributes:
        inventory: what is there.
        side: what is entered.
        queues: in the order of the inventory.
        findings: blocks first, notes last.
        copies_results: the results can be read, and there is a table for them.
        requests: all of them.
        prices: of the region, or of the one that stands in for it.
        seconds: how long it takes.
        pace: at which.
    """

    inventory: Inventory
    side: NewSide
    queues: tuple[QueuePlan, ...]
    findings: tuple[PlanFinding, ...]
    copies_results: bool
    requests: Requests
    prices: Prices
    seconds: float
    pace: Pace

    @property
    def dollars(self) -> float:
        """What AWS bills for it, without any free tier."""
        return self.requests.dollars(self.prices)

    @property
    def blocks(self) -> tuple[PlanFinding, ...]:
        """What has to be mended first."""
        return tuple(each for each in self.findings if each.level is Level.BLOCK)


def plan_of(
    inventory: Inventory,
    side: NewSide,
    *,
    names: Mapping[AmqpQueue, AmqpQueue] | None = None,
    pace: Pace = Pace(),  # noqa: B008 - frozen
    tasks_a_second: float | None = None,
) -> MigrationPlan:
    """Return what a migration would do.

    Args:
        inventory: of the old side.
        side: the new one, which knows each queue that something goes to.
        names: Celery's new names of queues, by the old ones, if only these shall go; None is all
            of them, under their own names.
        pace: of the run.
        tasks_a_second: what the new workers do with each queue; None if nobody knows.
    """
    findings = list(inventory_findings(inventory, side))
    wanted = names or {}
    blocked = destinations((each.queue for each in inventory.queues), wanted, side).blocked
    queues = []
    for count in inventory.queues:
        outlook = Outlook(
            target=side.queues[wanted.get(count.queue, count.queue)],
            side=side,
            wanted=count.queue in wanted,
            rabbitmq=inventory.server.startswith(RABBITMQ),
            tasks_a_second=tasks_a_second,
        )
        findings += queue_findings(count, outlook)
        queues.append(_queue_plan(count, outlook, blocked=count.queue in blocked))
    return _whole(inventory, side, queues, findings, pace)


def _whole(
    inventory: Inventory,
    side: NewSide,
    queues: list[QueuePlan],
    findings: list[PlanFinding],
    pace: Pace,
) -> MigrationPlan:
    results = inventory.results
    copies = results is not None and (side.results is not None or side.reads_both)
    requests = sum((queue.requests for queue in queues), Requests()) + requests_of_delayed(
        inventory.delayed, parks=side.parks, claims=side.deduplicates
    )
    copied = Requests()
    if results is not None and copies:
        copied = requests_of_results(results)
    order = list(Level)
    return MigrationPlan(
        inventory=inventory,
        side=side,
        queues=tuple(queues),
        findings=tuple(sorted(findings, key=lambda each: order.index(each.level))),
        copies_results=copies,
        requests=requests + copied,
        prices=prices_of(side.region),
        seconds=seconds_of(
            requests + copied,
            messages=sum(queue.moved for queue in queues) + inventory.delayed,
            results=_results(results) if copies else 0,
            pace=pace,
        ),
        pace=pace,
    )


def _results(found: ResultCount | None) -> int:
    return 0 if found is None else sum(found.results.values()) + found.groups


def _queue_plan(count: QueueCount, outlook: Outlook, *, blocked: bool) -> QueuePlan:
    target, side = outlook.target, outlook.side
    steps = tuple(_steps(count, outlook))
    oversize = _troubled(count, "oversize")
    stored = oversize if side.bucket is not None else 0
    plan = QueuePlan(
        queue=count.queue,
        target=target.queue,
        steps=steps,
        messages=count.messages,
        held=count.held,
        blocked=blocked,
    )
    if blocked:
        return plan
    quarantined = _troubled(count, "unreadable") + oversize - stored
    etas = count.delayed + (count.with_eta or 0)
    far = etas if target.fifo or count.with_far_eta is None else count.with_far_eta
    parked = min(far, count.messages - quarantined) if side.parks else 0
    return replace(
        plan,
        delayed=max(0, etas - parked),
        parked=parked,
        quarantined=quarantined,
        stored=stored,
        requests=requests_of_queue(
            count,
            priorities_moved=_sent(plan, count.delayed, less=parked + quarantined),
            parked=parked,
            stored=stored,
            fifo=target.fifo,
            claims=side.deduplicates,
        ),
    )


def _steps(count: QueueCount, outlook: Outlook) -> Iterator[StepPlan]:
    """Yield what goes where; messages that the old broker delays have no priority that shows."""
    target = outlook.target
    priorities = target.priorities
    turned = priorities.highest == HIGHEST_NUMBER
    known = not outlook.rabbitmq or set(count.waiting) - {0}
    by_step: dict[AmqpQueue, dict[int, int]] = {step: {} for step in target.names}
    for priority, messages in sorted(count.waiting.items()):
        number = HIGHEST_NUMBER - priority if turned else priority
        step = priorities.queue_for(target.queue, number if known else None)
        by_step[step][priority] = messages
    for step, name in target.names.items():
        yield StepPlan(name=name, messages=by_step[step])


def _sent(plan: QueuePlan, delayed: int, *, less: int) -> list[int]:
    """Return how many messages each SQS queue is sent, if ``less`` of all go elsewhere.

    Nobody counts those by priority: they are taken from what comes last.
    """
    counts = [*(sum(step.messages.values()) for step in plan.steps), delayed]
    sent = []
    for messages in reversed(counts):
        sent.append(max(0, messages - less))
        less = max(0, less - messages)
    return sent[::-1]


def _troubled(count: QueueCount, kind: str) -> int:
    return sum(each.count for each in count.troubles if each.kind == kind)
