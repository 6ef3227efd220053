"""``celery -A proj aws schedule run-now``: parked tasks that shall not wait any longer."""

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
from celery_aws.schedule.early_start import EarlyStart, Started

_WORDS: Mapping[Enum, str] = {
    Started.SENT: "sent",
    Started.SENT_MAYBE_TWICE: "sent; its time has come by itself, so it may run twice",
    Started.GONE: "has gone to its queue by itself just now",
}


@click.command("run-now", short_help="Send parked tasks to their queues before their time.")
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
    """Send parked tasks to their queues before their time.

    All that is parked under an id is sent, without its eta. A task is removed from the schedule
    once SQS has it: a crash in between may run it twice, and never loses it. Reads as much as
    "show" does.
    """
    with broker_of(celery_app(ctx)) as broker:
        shared = coordination_of(broker)
        found = find(shared.schedule, task_ids, due)
        confirm("Will send now", found, broker.clock.now(), yes=yes)
        start = EarlyStart(
            shared.schedule,
            BrokerMessages(broker.directory, broker.large_messages),
            broker.clock,
        )
        outcomes = carry_out(start.run_now, found, _WORDS, as_json=as_json)
    undone = {None, Started.GONE}.intersection(outcomes)
    ctx.exit(1 if missing(task_ids, found) or undone else 0)
