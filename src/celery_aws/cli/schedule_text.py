"""Parked tasks as rows, lines and JSON."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from typing import Any

from celery_aws.core.durations import duration_text
from celery_aws.core.parked_tasks import ParkedTask

HEADER = ("DUE (UTC)", "IN", "TASK", "ID", "QUEUE")


def utc_text(moment: datetime) -> str:
    """Return a moment to the second: ``2026-11-22T22:31:00Z``."""
    # Not by strftime, which some machines let write the year 1 with one digit.
    return f"{moment.astimezone(timezone.utc).replace(microsecond=0, tzinfo=None).isoformat()}Z"


def exact_text(moment: datetime) -> str:
    """Return a moment for programs, with everything below a second."""
    return moment.astimezone(timezone.utc).isoformat()


def seconds_until(moment: datetime, now: datetime) -> float:
    """Return the seconds until a moment, to the millisecond; negative if it is over."""
    return round((moment - now).total_seconds(), 3)


def row(parked: ParkedTask, now: datetime) -> tuple[str, ...]:
    """Return a line of a list, by :data:`HEADER`."""
    return (
        utc_text(parked.due),
        duration_text(seconds_until(parked.due, now)),
        parked.task or "-",
        parked.task_id,
        parked.queue,
    )


def aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Return rows as lines with their columns below each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(each, widths, strict=True)).rstrip()
        for each in rows
    ]


def facts(parked: ParkedTask, now: datetime) -> dict[str, Any]:
    """Return a line of a list for programs."""
    return {
        "id": parked.task_id,
        "task": parked.task,
        "due": exact_text(parked.due),
        "in_seconds": seconds_until(parked.due, now),
        "queue": parked.queue,
    }


def lines(named: Iterable[tuple[str, str]]) -> list[str]:
    """Return facts as lines with their names in front."""
    pairs = list(named)
    width = max((len(name) for name, _ in pairs), default=0)
    return [f"{name.ljust(width)}  {value}" for name, value in pairs]
