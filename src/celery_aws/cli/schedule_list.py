"""``celery -A proj aws schedule list``: parked tasks by time, page by page."""

import json
from datetime import datetime

import click

from celery_aws.cli.app import celery_app
from celery_aws.cli.broker import broker_of, coordination_of
from celery_aws.cli.schedule_options import filter_options, json_option, task_filter
from celery_aws.cli.schedule_text import HEADER, aligned, facts, row
from celery_aws.core.parked_tasks import Position
from celery_aws.schedule.queries import ParkedPage, ScheduleQueries

#: Tasks on a page.
DEFAULT_LIMIT = 50


@click.command("list", short_help="List parked tasks by the time at which they are due.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=DEFAULT_LIMIT,
    show_default=True,
    help="Tasks to list at most.",
)
@click.option("--after", metavar="TOKEN", help="Go on where the list that gave it ended.")
@filter_options
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    *,
    limit: int,
    after: str | None,
    queue: str | None,
    task: str | None,
    since: datetime | None,
    until: datetime | None,
    as_json: bool,
) -> None:
    """List parked tasks by the time at which they are due.

    A list ends after --limit tasks and says how to go on. It reads no more than that from the
    table, but with --queue or --task everything down to the last task listed. Tasks of a queue that
    keeps messages for less than 30 minutes are up to 15 minutes further down than their eta.
    """
    wanted = task_filter(queue, task, since, until)
    with broker_of(celery_app(ctx)) as broker:
        shared = coordination_of(broker)
        page = ScheduleQueries(shared.schedule).page(wanted, limit=limit, after=_position(after))
        now = broker.clock.now()
    if as_json:
        _print_json(page, now)
    else:
        _print_rows(page, now, table=shared.table.name)


def _position(token: str | None) -> Position | None:
    try:
        return None if token is None else Position.of_token(token)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--after") from error


def _print_json(page: ParkedPage, now: datetime) -> None:
    tasks = [facts(task, now) for task in page.tasks]
    click.echo(json.dumps({"tasks": tasks, "next": _token(page)}, indent=2))


def _print_rows(page: ParkedPage, now: datetime, *, table: str) -> None:
    token = _token(page)
    if not page.tasks and token is None:
        click.echo(f"Nothing of that is parked in the table {table}.", err=True)
        return
    header, *rows = aligned([HEADER, *(row(task, now) for task in page.tasks)])
    click.echo(header, err=True)
    for each in rows:
        click.echo(each)
    if token is not None:
        click.echo(f"There may be more: --after {token}", err=True)


def _token(page: ParkedPage) -> str | None:
    return None if page.after is None else page.after.token
