"""``celery -A proj aws queues``: how many messages are where."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click

from celery_aws.broker import Transport
from celery_aws.cli.app import celery_app
from celery_aws.cli.broker import broker_of, coordination_of
from celery_aws.cli.schedule_options import json_option
from celery_aws.cli.schedule_text import aligned
from celery_aws.core.queue_depth import QueueDepth
from celery_aws.deployment import declare_priorities, deployment_of
from celery_aws.errors import TemporaryError
from celery_aws.names import AmqpQueue
from celery_aws.queues.overview import Overview, QueueOverview
from celery_aws.queues.workers import FleetInspection
from celery_aws.schedule.queries import ScheduleQueries

#: Seconds within which workers have to answer.
_WORKERS_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class _Row:
    """A queue, with what was asked for beside it.

    Attributes:
        queue: Celery's name.
        seen: on SQS; None of a queue that only parked tasks name.
        parked: tasks in the schedule; None if nobody asked.
        workers: that consume it; None if nobody asked.
    """

    queue: AmqpQueue
    seen: QueueOverview | None
    parked: int | None
    workers: int | None

    @property
    def depth(self) -> QueueDepth | None:
        return None if self.seen is None else self.seen.depth


@click.command("queues", short_help="Show how many messages are where.")
@click.option(
    "--watch",
    "seconds",
    type=click.FloatRange(min=1),
    metavar="SECONDS",
    help="Ask again every so many seconds, until Ctrl-C.",
)
@click.option(
    "--parked", "with_parked", is_flag=True, help="Count parked tasks; reads all of them."
)
@click.option(
    "--workers", "with_workers", is_flag=True, help="Count the workers that consume each."
)
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    *,
    seconds: float | None,
    with_parked: bool,
    with_workers: bool,
    as_json: bool,
) -> None:
    """Show how many messages are where: visible, in flight, delayed, dead.

    Each look costs one request for each SQS queue (a queue with priorities has several) and each
    dead-letter queue, the first one two. --parked reads the whole schedule, in requests of 1 MB: a
    thousand for a million tasks. --workers broadcasts a command and waits a second. With --watch
    and --json, each look is a line. The numbers are approximate; the age of the oldest message is
    CloudWatch's ApproximateAgeOfOldestMessage, as SQS does not tell it.
    """
    app = celery_app(ctx)
    with broker_of(app) as broker:
        declare_priorities(app, broker.directory)
        overview = Overview(deployment_of(app), broker.directory)
        inspection = FleetInspection(app, timeout_seconds=_WORKERS_SECONDS, clock=broker.clock)
        try:
            while True:
                try:
                    parked = _parked(broker) if with_parked else None
                    workers = inspection.consumers() if with_workers else None
                    rows = _rows(list(overview.queues()), parked, workers)
                    _show(rows, as_json=as_json, again=seconds is not None)
                except TemporaryError as error:
                    if seconds is None:
                        raise
                    click.echo(f"Asking again: {error}", err=True)
                if seconds is None:
                    return
                broker.clock.sleep(seconds)
        except KeyboardInterrupt:
            return


def _parked(broker: Transport) -> Mapping[AmqpQueue, int]:
    return ScheduleQueries(coordination_of(broker).schedule).queues()


def _rows(
    seen: Sequence[QueueOverview],
    parked: Mapping[AmqpQueue, int] | None,
    workers: Mapping[str, frozenset[AmqpQueue]] | None,
) -> list[_Row]:
    by_name = {each.queue: each for each in seen}
    return [
        _Row(
            queue=queue,
            seen=by_name.get(queue),
            parked=None if parked is None else parked.get(queue, 0),
            workers=None if workers is None else sum(queue in each for each in workers.values()),
        )
        for queue in dict.fromkeys([*by_name, *(parked or ())])
    ]


def _show(rows: Sequence[_Row], *, as_json: bool, again: bool) -> None:
    if as_json:
        click.echo(json.dumps({"queues": list(map(_facts, rows))}, indent=None if again else 2))
        return
    if again and sys.stdout.isatty():
        click.clear()
    header, *lines = aligned([_header(rows), *map(_cells, rows)])
    click.echo(header, err=True)
    for line in lines:
        click.echo(line)


def _header(rows: Sequence[_Row]) -> tuple[str, ...]:
    asked = rows[0] if rows else None
    return (
        *("QUEUE", "VISIBLE", "IN FLIGHT", "DELAYED", "DEAD LETTERS"),
        *(["PARKED"] if asked is not None and asked.parked is not None else []),
        *(["WORKERS"] if asked is not None and asked.workers is not None else []),
    )


def _cells(row: _Row) -> tuple[str, ...]:
    depth = row.depth
    counts = (None,) * 3 if depth is None else (depth.visible, depth.in_flight, depth.delayed)
    dead = None if row.seen is None else row.seen.dead_letters
    asked = [count for count in (row.parked, row.workers) if count is not None]
    return (row.queue, *("-" if count is None else str(count) for count in (*counts, dead, *asked)))


def _facts(row: _Row) -> dict[str, Any]:
    depth = row.depth
    asked = {"parked": row.parked, "workers": row.workers}
    return {
        "queue": row.queue,
        "visible": None if depth is None else depth.visible,
        "in_flight": None if depth is None else depth.in_flight,
        "delayed": None if depth is None else depth.delayed,
        "dead_letters": None if row.seen is None else row.seen.dead_letters,
        **{name: count for name, count in asked.items() if count is not None},
        "sqs_queues": {
            step.name: step.depth.messages for step in (row.seen.steps if row.seen else ())
        },
    }
