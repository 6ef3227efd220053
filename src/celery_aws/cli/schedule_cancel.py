"""``celery -A proj aws schedule cancel``: parked tasks that shall never run."""

from collections.abc import Mapping
from datetime import datetime
from enum import Enum

import click

from celery_aws.broker.parked_messages import BrokerMessages
from celery_aws.cli.app import celery_app
from celery_aws.cli.broker import broker_of, coordination_of
from celery_aws.cli.schedule_options import (
    due_option,
    json_option,
    task_ids_argument,
    yes_option,
)
from celery_aws.cli.schedule_search import carry_out, confirm, find, missing
from celery_aws.schedule.cancellation import Cancellation, Cancelled

_WORDS: Mapping[Enum, str] = {
    Cancelled.REMOVED: "cancelled",
    Cancelled.WHEN_DUE: (
        "REVOKED; it stays until its time, when a worker discards it and tells its group, which "
        "cannot be read here"
    ),
    Cancelled.GONE: "has gone to its queue just now; a worker discards it, unless it runs already",
}


@click.command("cancel", short_help="Take parked tasks out for good; their results say REVOKED.")
@task_ids_argument
@due_option
@yes_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    *,
    task_ids: tuple[str, ...],
    due: datetime | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Take parked tasks out for good; their results say REVOKED.

    All that is parked under an id is taken out. A chord goes on as with any revoked task; no
    errback is called, and what would follow the task in a chain stays pending, as Celery has it.
    Reads as much as "show" does.
    """
    app = celery_app(ctx)
    with broker_of(app) as broker:
        shared = coordination_of(broker)
        found = find(shared.schedule, task_ids, due)
        confirm("Will cancel", found, broker.clock.now(), yes=yes)
        cancellation = Cancellation(
            app,
            schedule=shared.schedule,
            revocations=shared.revocations,
            messages=BrokerMessages(broker.directory, broker.large_messages),
            clock=broker.clock,
        )
        cancellation.remember(found)
        outcomes = carry_out(cancellation.cancel, found, _WORDS, as_json=as_json)
    ctx.exit(1 if missing(task_ids, found) or Cancelled.GONE in outcomes else 0)
