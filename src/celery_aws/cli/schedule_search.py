"""What the commands of ``schedule`` that take task ids have in common: to find, to ask, to tell."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from enum import Enum

import click

from celery_aws.cli.schedule_options import with_progress
from celery_aws.cli.schedule_text import HEADER, aligned, row, utc_text
from celery_aws.core.parked_tasks import ParkedTask, TaskFilter, due_about
from celery_aws.errors import UnsupportedError
from celery_aws.schedule.queries import ScheduleQueries
from celery_aws.table.schedule import Schedule

#: Acts on a task, and tells what became of it.
Act = Callable[[ParkedTask], Enum]


def find(schedule: Schedule, task_ids: Sequence[str], due: datetime | None) -> list[ParkedTask]:
    """Return what is parked under some ids, and say which are not."""
    wanted = TaskFilter() if due is None else due_about(due)
    found = ScheduleQueries(schedule).find(set(task_ids), wanted, progress=with_progress)
    report_missing(task_ids, found)
    return found


def report_missing(task_ids: Iterable[str], found: Iterable[ParkedTask]) -> None:
    """Say which ids are not parked."""
    for task_id in missing(task_ids, found):
        click.echo(
            f"{task_id}: not parked (any more). What is due within 15 minutes may be in its queue "
            "already, where AsyncResult.revoke() reaches it if it was parked before.",
            err=True,
        )


def missing(task_ids: Iterable[str], found: Iterable[ParkedTask]) -> list[str]:
    """Return the ids of which nothing was found."""
    known = {task.task_id for task in found}
    return [task_id for task_id in dict.fromkeys(task_ids) if task_id not in known]


def confirm(plan: str, found: Sequence[ParkedTask], now: datetime, *, yes: bool) -> None:
    """Say what will be done, and to which tasks, and ask unless ``yes``."""
    if not found:
        return
    click.echo(f"{plan}:", err=True)
    for line in aligned([HEADER, *(row(task, now) for task in found)]):
        click.echo(f"  {line}", err=True)
    if not yes:
        click.confirm("Go on?", abort=True, err=True)


def carry_out(
    act: Act, found: Iterable[ParkedTask], words: Mapping[Enum, str], *, as_json: bool
) -> list[Enum | None]:
    """Act on tasks one by one, and tell of each, those before an error too.

    Returns:
        What became of each; None for what was refused.
    """
    ended: list[tuple[ParkedTask, Enum | None]] = []
    try:
        for task in found:
            outcome = _outcome(act, task)
            ended.append((task, outcome))
            if outcome is not None and not as_json:
                click.echo(f"{task.task_id}  {task.queue}  {words[outcome]}")
    finally:
        if as_json:
            click.echo(json.dumps({"tasks": [_facts(*each) for each in ended]}, indent=2))
    return [outcome for _, outcome in ended]


def _outcome(act: Act, task: ParkedTask) -> Enum | None:
    try:
        return act(task)
    except UnsupportedError as error:
        click.echo(f"Error: {error}", err=True)
        return None


def _facts(task: ParkedTask, outcome: Enum | None) -> dict[str, str | None]:
    return {
        "id": task.task_id,
        "task": task.task,
        "due": utc_text(task.due),
        "queue": task.queue,
        "outcome": "refused" if outcome is None else str(outcome.value),
    }
