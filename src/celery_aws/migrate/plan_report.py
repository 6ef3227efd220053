"""A plan in the forms in which people and programs read it. Never a secret, never arguments."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

from celery_aws.core.durations import duration_text
from celery_aws.migrate.estimate import BATCH_SECONDS, PARKED_SECONDS, RESULT_SECONDS
from celery_aws.migrate.inventory import ResultCount
from celery_aws.migrate.plan import MigrationPlan, QueuePlan
from celery_aws.migrate.plan_findings import Level, PlanFinding

#: Of what :func:`plan_facts` returns; a key that goes or means something else makes it another one.
FORMAT: Final = 1

#: Seconds from which the time is made up, as programs read them.
_ASSUMED: Final = {
    "batch_of_ten": BATCH_SECONDS,
    "parked_message": PARKED_SECONDS,
    "result": RESULT_SECONDS,
}

_ASSUMED_LINE: Final = (
    f"The time assumes {BATCH_SECONDS * 1_000:g} ms for ten messages, "
    f"{PARKED_SECONDS * 1_000:g} ms for a parked one and {RESULT_SECONDS * 1_000:g} ms for a "
    "result, not measured on AWS."
)

_HEADER: Final = ("QUEUE", "TO", "MOVED", "DELAYED", "PARKED", "QUARANTINED", "HELD")


def plan_lines(plan: MigrationPlan) -> Iterator[str]:
    """Yield a plan as text."""
    yield f"From {plan.inventory.source} ({plan.inventory.server}) to SQS, {plan.side.region}"
    yield ""
    yield from table([_HEADER, *map(_row, plan.queues)]) if plan.queues else ["No queues."]
    yield from _step_lines(plan.queues)
    yield ""
    yield from _result_lines(plan)
    for finding in plan.findings:
        yield ""
        yield from finding_lines(finding)
    yield ""
    yield _cost_line(plan)
    yield _ASSUMED_LINE
    yield _summary(plan)


def plan_facts(plan: MigrationPlan) -> dict[str, Any]:
    """Return a plan for programs."""
    return {
        "format": FORMAT,
        "source": plan.inventory.source,
        "server": plan.inventory.server,
        "region": plan.side.region,
        "queues": [_queue_facts(each) for each in plan.queues],
        "claimed_before": plan.inventory.claimed,
        "delayed_for_any_queue": plan.inventory.delayed,
        "results": _result_facts(plan),
        "others": [
            {
                "kind": each.kind,
                "count": each.count,
                "example": each.example,
                "note": each.note,
                "blocks": each.blocks,
            }
            for each in plan.inventory.others
        ],
        "findings": [finding_facts(each) for each in plan.findings],
        "requests": {
            "total": plan.requests.total,
            "send_message_batch": plan.requests.send,
            "sqs_billed": plan.requests.send_billed + plan.requests.send_billed_fifo,
            "parked_put_item": plan.requests.park,
            "claim_put_item": plan.requests.claim,
            "result_batch_get_item": plan.requests.result_look,
            "result_put_item": plan.requests.result_put,
            "put_object": plan.requests.object_put,
        },
        "dollars": round(plan.dollars, 6),
        "prices": {
            "region": plan.prices.region,
            "read_on": plan.prices.read_on.isoformat(),
            "free_tier": False,
        },
        "seconds": round(plan.seconds, 1),
        "seconds_assume": {**_ASSUMED, "measured": False},
        "threads": plan.pace.threads,
        "rate": plan.pace.rate,
        "counts": {level.value: count for level, count in _levels(plan).items()},
        "blocked": bool(plan.blocks),
    }


def finding_lines(finding: PlanFinding) -> Iterator[str]:
    """Yield a finding as text."""
    yield f"{finding.level.value.upper()} {finding.name} ({finding.where})"
    yield f"    {finding.what}"
    yield f"    Remedy: {finding.remedy}"


def finding_facts(finding: PlanFinding) -> dict[str, str]:
    """Return a finding for programs."""
    return {
        "name": finding.name,
        "level": finding.level.value,
        "where": finding.where,
        "what": finding.what,
        "remedy": finding.remedy,
    }


def table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Return rows as lines with their columns below each other, the numbers on the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(_cell, row, widths)).rstrip() for row in rows]


def _cell(text: str, width: int) -> str:
    return text.rjust(width) if text.isdecimal() or text == "-" else text.ljust(width)


def _row(queue: QueuePlan) -> tuple[str, ...]:
    held = "-" if queue.held is None else str(queue.held)
    if queue.blocked:
        return (queue.queue, f"left: {queue.messages}", "0", "0", "0", "0", held)
    counts = (queue.moved, queue.delayed, queue.parked, queue.quarantined)
    return (queue.queue, queue.target, *map(str, counts), held)


def _step_lines(queues: Sequence[QueuePlan]) -> Iterator[str]:
    for queue in queues:
        for step in () if queue.blocked else queue.steps:
            if step.messages and len(queue.steps) + len(step.messages) > 2:
                priorities = ", ".join(f"{each}: {n}" for each, n in step.messages.items())
                yield f"  {queue.queue}, by priority (0 is first) to {step.name}: {priorities}"


def _result_lines(plan: MigrationPlan) -> Iterator[str]:
    found = plan.inventory.results
    if found is None:
        return
    statuses = ", ".join(f"{status} {count}" for status, count in sorted(found.results.items()))
    verb = "copied" if plan.copies_results else "left"
    yield f"Results: {sum(found.results.values())} {verb}" + (f" ({statuses})" if statuses else "")
    if found.seconds_left is not None:
        yield f"  with the life that each has left, {duration_text(found.seconds_left)} at most"
    if found.groups:
        yield f"  {found.groups} saved groups {verb}"
    if found.chords:
        yield f"  chords whose body has not been called yet: {len(found.chords)}"


def _cost_line(plan: MigrationPlan) -> str:
    region, stands_in = plan.prices.region, plan.prices.region != plan.side.region
    whose = f"{region}'s prices, as none of {plan.side.region} are known" if stands_in else region
    pace = "1 thread" if plan.pace.threads == 1 else f"{plan.pace.threads} threads"
    if plan.pace.rate is not None:
        pace += f" and {plan.pace.rate:g}/s at most"
    return (
        f"About {plan.requests.total} requests, ${plan.dollars:.4f} ({whose}, read on "
        f"{plan.prices.read_on}, without free tier), about {duration_text(plan.seconds)} with "
        f"{pace}."
    )


def _summary(plan: MigrationPlan) -> str:
    counts = _levels(plan)
    said = (f"{counts[level]} {level.value}{'' if counts[level] == 1 else 's'}" for level in Level)
    return ", ".join(said) + "."


def _levels(plan: MigrationPlan) -> dict[Level, int]:
    counted = Counter(finding.level for finding in plan.findings)
    return {level: counted[level] for level in Level}


def _queue_facts(queue: QueuePlan) -> dict[str, Any]:
    return {
        "queue": queue.queue,
        "target": queue.target,
        "messages": queue.messages,
        "moved": queue.moved,
        "delayed": queue.delayed,
        "parked": queue.parked,
        "quarantined": queue.quarantined,
        "through_s3": queue.stored,
        "held": queue.held,
        "blocked": queue.blocked,
        "sqs_queues": [
            {
                "name": step.name,
                "by_priority": {str(each): count for each, count in step.messages.items()},
            }
            for step in queue.steps
        ],
    }


def _result_facts(plan: MigrationPlan) -> dict[str, Any] | None:
    found: ResultCount | None = plan.inventory.results
    if found is None:
        return None
    return {
        "copied": plan.copies_results,
        "by_status": dict(sorted(found.results.items())),
        "without_ttl": found.without_ttl,
        "longest_seconds_left": found.seconds_left,
        "groups": found.groups,
        "chords": {
            chord: {"there": there, "of": of} for chord, (there, of) in found.chords.items()
        },
        "bytes": found.bytes,
    }
