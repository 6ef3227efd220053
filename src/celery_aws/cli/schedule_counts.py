"""``celery -A proj aws schedule counts``: how many tasks are due when."""

import json
from datetime import datetime

import click

from celery_aws.cli.app import celery_app
from celery_aws.cli.broker import broker_of, coordination_of
from celery_aws.cli.schedule_options import (
    filter_options,
    json_option,
    task_filter,
    with_progress,
)
from celery_aws.cli.schedule_text import utc_text
from celery_aws.schedule.queries import ScheduleQueries


@click.command("counts", short_help="Count parked tasks by the hour in which they are due.")
@filter_options
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    *,
    queue: str | None,
    task: str | None,
    since: datetime | None,
    until: datetime | None,
    as_json: bool,
) -> None:
    """Count parked tasks by the hour (UTC) in which they are due, and in all.

    It reads all of them, in requests of 1 MB: for a million tasks of 1 KB that are some 1,000
    requests and two cents. --from and --until leave out what they name.
    """
    wanted = task_filter(queue, task, since, until)
    with broker_of(celery_app(ctx)) as broker:
        queries = ScheduleQueries(coordination_of(broker).schedule)
        hours = queries.hours(wanted, progress=with_progress)
    counts = {utc_text(hour): count for hour, count in hours.items()}
    total = sum(counts.values())
    if as_json:
        click.echo(json.dumps({"hours": counts, "total": total}, indent=2))
        return
    for hour, count in counts.items():
        click.echo(f"{hour}  {count}")
    click.echo(f"In all: {total}", err=True)
