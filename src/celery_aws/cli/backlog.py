"""``celery -A proj aws backlog``: how far behind the workers are, for autoscaling."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

from celery_aws.cli.app import celery_app
from celery_aws.cli.broker import broker_of
from celery_aws.cli.schedule_options import json_option
from celery_aws.cli.schedule_text import aligned
from celery_aws.core.backlog import Backlog, Capacity
from celery_aws.core.durations import duration_text
from celery_aws.deployment import declare_priorities, deployment_of
from celery_aws.errors import ConfigurationError
from celery_aws.names import AmqpQueue
from celery_aws.queues.overview import Overview
from celery_aws.queues.workers import FleetInspection

_HEADER = ("QUEUE", "READY", "WORKERS", "SLOTS", "PER WORKER", "TO DRAIN")


@click.command("backlog")
@click.option("--queue", "queues", multiple=True, help="Celery's name; default: all of the app's.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0.1),
    default=2.0,
    show_default=True,
    help="Seconds within which workers have to answer.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=0),
    help="Do not ask the workers: so many consume every queue, one task each.",
)
@click.option(
    "--task-seconds",
    type=click.FloatRange(min=0, min_open=True),
    help="How long a task takes, for the time to drain.",
)
@click.option(
    "--sample",
    type=click.FloatRange(min=1),
    metavar="SECONDS",
    help="Or count for so long how many tasks the workers start.",
)
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    *,
    queues: tuple[str, ...],
    timeout: float,
    workers: int | None,
    task_seconds: float | None,
    sample: float | None,
    as_json: bool,
) -> None:
    """Show how far behind the workers are, for autoscaling.

    Ready are the messages that a worker could receive now: not what is in flight, delayed or
    parked. PER WORKER is ready by the workers that consume the queue (all of it, if there is none);
    TO DRAIN is ready by the tasks that they start in a second, which takes --task-seconds or
    --sample, because Celery's workers do not tell how long tasks take. A worker of several queues
    counts for each, and once in the total.

    Costs one request for each SQS queue, the first time two, and two broadcasts to the workers;
    three with --sample.
    """
    if sample is not None and (task_seconds is not None or workers is not None):
        raise click.UsageError("--sample goes with neither --task-seconds nor --workers")
    app = celery_app(ctx)
    with broker_of(app) as broker:
        declare_priorities(app, broker.directory)
        overview = Overview(deployment_of(app, queues=queues), broker.directory)
        seen = overview.queues(dead_letters=False)
        ready = {each.queue: each.depth.visible for each in seen if each.depth}
        wanted = {queue: ready[queue] for queue in ready if not queues or queue in queues}
        _check_known(queues, wanted)
        fleet = None
        if workers is None:
            inspection = FleetInspection(app, timeout_seconds=timeout, clock=broker.clock)
            fleet = inspection.fleet(sample_seconds=sample)

    def consumers(queues: Sequence[AmqpQueue]) -> Capacity:
        given = Capacity(workers=workers or 0, slots=workers or 0)
        found = given if fleet is None else fleet.of_any(queues)
        return found if task_seconds is None else found.at(task_seconds)

    each, total = _backlogs(wanted, consumers)
    if as_json:
        rows = [{"queue": queue, **_facts(backlog)} for queue, backlog in each.items()]
        click.echo(json.dumps({"queues": rows, "total": _facts(total)}, indent=2))
        return
    named = [*each.items(), ("in all", total)]
    header, *lines = aligned([_HEADER, *(_row(*pair) for pair in named)])
    click.echo(header, err=True)
    for line in lines:
        click.echo(line)


def _check_known(queues: tuple[str, ...], ready: Mapping[AmqpQueue, int]) -> None:
    missing = [queue for queue in queues if queue not in ready]
    if missing:
        raise ConfigurationError(f"not on SQS (yet): {', '.join(missing)}", where="--queue")


def _backlogs(
    ready: Mapping[AmqpQueue, int], workers: Callable[[Sequence[AmqpQueue]], Capacity]
) -> tuple[dict[AmqpQueue, Backlog], Backlog]:
    """Return the backlog of each queue, and of all together.

    Args:
        ready: messages, by queue.
        workers: returns those that consume any of some queues.
    """
    each = {
        queue: Backlog(ready=count, capacity=workers([queue])) for queue, count in ready.items()
    }
    return each, Backlog(ready=sum(ready.values()), capacity=workers(list(ready)))


def _row(name: str, backlog: Backlog) -> tuple[str, ...]:
    seconds = backlog.drain_seconds
    return (
        name,
        str(backlog.ready),
        str(backlog.capacity.workers),
        str(backlog.capacity.slots),
        f"{backlog.per_worker:g}",
        "-" if seconds is None else duration_text(seconds),
    )


def _facts(backlog: Backlog) -> dict[str, Any]:
    return {
        "ready": backlog.ready,
        "workers": backlog.capacity.workers,
        "slots": backlog.capacity.slots,
        "backlog_per_worker": backlog.per_worker,
        "tasks_a_second": backlog.capacity.tasks_a_second,
        "drain_seconds": backlog.drain_seconds,
    }
