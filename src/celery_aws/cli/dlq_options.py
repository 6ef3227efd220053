"""Options that the commands of ``dlq`` share."""

from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import Any

import click

from celery_aws.cli.schedule_options import as_moment
from celery_aws.dlq.letters import LetterFilter
from celery_aws.limits import SQS_VISIBILITY_TIMEOUT_SECONDS_MAX

Command = Callable[..., Any]

queue_argument = click.argument("queue", metavar="QUEUE")

all_option = click.option("--all", "everything", is_flag=True, help="All of them.")

visibility_option = click.option(
    "--visibility-timeout",
    "seconds",
    metavar="SECONDS",
    type=click.IntRange(20, SQS_VISIBILITY_TIMEOUT_SECONDS_MAX),
    help="For how long nobody else receives what was looked at, if this command is killed. "
    "Default: two minutes, and one more for every 1,200 messages.",
)

_FILTERS: tuple[Callable[[Command], Command], ...] = (
    click.option(
        "--until",
        metavar="TIME",
        callback=as_moment,
        help="First time of sending not wanted; without offset UTC.",
    ),
    click.option(
        "--since",
        metavar="TIME",
        callback=as_moment,
        help="First time of sending; without offset UTC.",
    ),
    click.option(
        "--error", metavar="TEXT", help="A part of what the task's result says went wrong."
    ),
    click.option("--id", "ids", multiple=True, metavar="ID", help="Of a task, or a message."),
    click.option("--task", metavar="PATTERN", help='Name of the tasks, such as "shop.*".'),
)


def filter_options(command: Command) -> Command:
    """Add the options that say which dead letters are wanted; they arrive as ``wanted``."""

    @wraps(command)
    def filtered(
        *arguments: Any,
        task: str | None,
        ids: tuple[str, ...],
        error: str | None,
        since: datetime | None,
        until: datetime | None,
        **options: Any,
    ) -> Any:
        if since is not None and until is not None and since >= until:
            raise click.UsageError("--since must be before --until")
        wanted = LetterFilter(task=task, ids=frozenset(ids), error=error, since=since, until=until)
        return command(*arguments, wanted=wanted, **options)

    whole: Command = filtered
    for add in _FILTERS:
        whole = add(whole)
    return whole
