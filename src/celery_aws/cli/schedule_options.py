"""Options that the commands of ``schedule`` share."""

import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

import click

from celery_aws.core.parked_tasks import TaskFilter
from celery_aws.core.schedule import Shard
from celery_aws.core.task_eta import moment

Command = Callable[..., Any]


def as_moment(
    ctx: click.Context,  # noqa: ARG001
    param: click.Parameter,  # noqa: ARG001
    value: str | None,
) -> datetime | None:
    """Return the time that an option was given, in UTC; one without an offset is UTC."""
    found = moment(value)
    if value is not None and found is None:
        raise click.BadParameter(f"{value!r} is no ISO 8601 time, such as 2026-11-22T22:30")
    return found


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")

yes_option = click.option("--yes", is_flag=True, help="Do not ask.")

due_option = click.option(
    "--due",
    metavar="TIME",
    callback=as_moment,
    help="Their eta, as a list shows it: then only tasks of that second are looked at, and far "
    "less is read.",
)

task_ids_argument = click.argument("task_ids", nargs=-1, required=True, metavar="TASK_ID...")

_FILTERS: tuple[Callable[[Command], Command], ...] = (
    click.option(
        "--until",
        metavar="TIME",
        callback=as_moment,
        help="First eta not wanted; without offset UTC.",
    ),
    click.option(
        "--from",
        "since",
        metavar="TIME",
        callback=as_moment,
        help="First eta; without offset UTC.",
    ),
    click.option("--task", help="Name of the tasks."),
    click.option("--queue", help="Celery's name of their queue, all of its priorities."),
)


def filter_options(command: Command) -> Command:
    """Add the options from which :func:`task_filter` makes a filter."""
    for add in _FILTERS:
        command = add(command)
    return command


def task_filter(
    queue: str | None, task: str | None, since: datetime | None, until: datetime | None
) -> TaskFilter:
    """Return what :func:`filter_options` were given.

    Raises:
        click.UsageError: no eta can be in the range.
    """
    if since is not None and until is not None and since >= until:
        raise click.UsageError("--from must be before --until")
    return TaskFilter(queue=queue, task=task, since=since, until=until)


def with_progress(shards: Sequence[Shard]) -> Iterable[Shard]:
    """Go through shards, with a progress bar where somebody sees it."""
    if not sys.stderr.isatty():
        yield from shards
        return
    with click.progressbar(shards, label="Reading the schedule", file=sys.stderr) as bar:
        yield from bar
