"""``celery -A proj aws schedule show``: everything that is known of a parked task."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import click

from celery_aws.cli.app import celery_app
from celery_aws.cli.broker import broker_of, coordination_of
from celery_aws.cli.schedule_options import due_option, json_option, task_ids_argument
from celery_aws.cli.schedule_search import find, missing
from celery_aws.cli.schedule_text import (
    exact_text,
    facts,
    lines,
    seconds_until,
    utc_text,
)
from celery_aws.core.attributes import number_of
from celery_aws.core.durations import duration_text
from celery_aws.core.large_messages import load_pointer
from celery_aws.core.parked_tasks import ParkedTask
from celery_aws.core.schedule import ScheduledTask
from celery_aws.core.scheduled_items import PARTS
from celery_aws.core.task_contents import task_contents
from celery_aws.table.schedule import Schedule


@click.command("show", short_help="Show everything that is known of parked tasks.")
@task_ids_argument
@due_option
@json_option
@click.pass_context
def command(
    ctx: click.Context, *, task_ids: tuple[str, ...], due: datetime | None, as_json: bool
) -> None:
    """Show everything that is known of parked tasks, by their ids.

    All that is parked under an id is shown. Arguments are shown as whoever sent the task wrote
    them down; no body but JSON is ever decoded.

    Of every five minutes with tasks in them it reads up to three partitions of 64, so a twentieth
    of a large schedule; with --due only those around that time.
    """
    with broker_of(celery_app(ctx)) as broker:
        schedule = coordination_of(broker).schedule
        found = find(schedule, task_ids, due)
        now = broker.clock.now()
        shown = [(task, more) for task in found if (more := _more(schedule, task)) is not None]
    if as_json:
        tasks = [{**facts(task, now), **more} for task, more in shown]
        click.echo(json.dumps({"tasks": tasks}, indent=2, default=str))
    elif shown:
        click.echo("\n\n".join("\n".join(lines(_named(*each, now))) for each in shown))
    ctx.exit(1 if missing(task_ids, (task for task, _ in shown)) else 0)


def _more(schedule: Schedule, parked: ParkedTask) -> dict[str, Any] | None:
    """Return what else there is to say of a task; None if it has gone in between."""
    entry = schedule.entry(parked.key)
    outside = {"to_sqs_from": exact_text(parked.send_after), "queue_url": parked.queue_url}
    try:
        task = None if entry is None else schedule.task_of(entry)
    except ValueError as error:
        return {**outside, "problem": str(error), "headers": {}}
    if entry is None or task is None:
        return None
    return {
        **outside,
        "size_bytes": task.message.size_bytes,
        "parts": int(number_of(entry, PARTS) or 0),
        "message_group_id": task.message.message_group_id,
        "message_deduplication_id": task.message.message_deduplication_id,
        **_contents(task),
    }


def _contents(task: ScheduledTask) -> dict[str, Any]:
    pointer = load_pointer(task.message.body)
    contents = task_contents(task.message.body)
    args, kwargs = contents.arguments or (None, None)
    return {
        "s3": None if pointer is None else str(pointer),
        "protocol": contents.protocol,
        "content_type": contents.content_type,
        "args": args,
        "kwargs": kwargs,
        "retries": contents.fields.get("retries"),
        "expires": contents.fields.get("expires"),
        "headers": dict(contents.headers),
    }


def _named(parked: ParkedTask, more: Mapping[str, Any], now: datetime) -> Iterator[tuple[str, str]]:
    left = duration_text(seconds_until(parked.due, now))
    yield "id", parked.task_id
    yield "task", parked.task or "-"
    yield "due", f"{utc_text(parked.due)} ({left})"
    yield "to SQS from", utc_text(parked.send_after)
    yield "queue", parked.queue
    for name, value in more.items():
        if value is not None and name not in ("to_sqs_from", "headers"):
            yield name.replace("_", " "), str(value)
    for name, value in more["headers"].items():
        if value is not None:
            yield f"header {name}", str(value)
