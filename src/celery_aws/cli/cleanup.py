"""``celery -A proj aws cleanup``: what others left behind, deleted once somebody agrees."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import click

from celery_aws.cli.app import celery_app
from celery_aws.cli.broker import broker_of
from celery_aws.cli.progress import progress
from celery_aws.cli.schedule_options import json_option, yes_option
from celery_aws.cli.schedule_text import aligned, exact_text
from celery_aws.core.durations import duration_text
from celery_aws.queues.cleaning import Cleaning, StaleBinding
from celery_aws.queues.leftovers import Certainty, Leftover

_HEADER = ("QUEUE", "OF", "AGE", "VISIBLE", "IN FLIGHT", "LEFT BEHIND", "BECAUSE")


@click.command("cleanup", short_help="Delete queues and bindings that others have left behind.")
@click.option("--probable", is_flag=True, help="Delete also what is probably left behind.")
@click.option("--plan", "only_plan", is_flag=True, help="Delete nothing, and do not ask.")
@yes_option
@json_option
@click.pass_context
def command(
    ctx: click.Context, *, probable: bool, only_plan: bool, yes: bool, as_json: bool
) -> None:
    """Delete queues and bindings that others have left behind.

    These are the stock transport's queues for events (celeryev-...), replies
    (...-reply-celery-pidbox) and remote control (...-celery-pidbox), inboxes that no process has in
    the registry, and bindings that lead nowhere, all with the app's queue_name_prefix. SQS does not
    tell whether somebody receives from a queue: what is younger than an hour or has messages in
    flight is left, and what is not sure is deleted only with --probable. Do not use that while
    workers, monitors or clients of remote control with the stock transport run.

    It needs sqs:ListQueues, which is granted on all queues or none. Costs one request for 1,000
    queues with the prefix, one or two for each that is shown, two for each that is deleted, and one
    for each queue that is bound, twice if bindings are removed. Exit code 1 if something is left
    behind and still there.
    """
    with broker_of(celery_app(ctx)) as broker:
        cleaning = Cleaning(
            url=broker.url,
            directory=broker.directory,
            coordination=broker.coordination,
            clock=broker.clock,
        )
        queues, bindings = cleaning.queues(), cleaning.bindings()
        now = broker.clock.now()
        due = [each for each in queues if _is_due(each, probable=probable)]
        _tell(queues, bindings, now)
        deleted: list[Leftover] = []
        removed: list[StaleBinding] = []
        if (due or bindings) and not only_plan:
            _confirm(due, bindings, yes=yes)
            deleted = list(_deleted(cleaning, due, as_json=as_json))
            removed = cleaning.remove_bindings(bindings)
            click.echo(f"{len(deleted)} queue(s) and {len(removed)} binding(s) deleted.", err=True)
    if as_json:
        _print_json(queues, bindings, deleted, removed)
    if not probable and any(_is_due(each, probable=True) for each in queues if each not in due):
        click.echo("What is probably left behind goes with --probable.", err=True)
    # What somebody uses again by now is nothing that is left behind.
    left = len(deleted) < len(due) or (only_plan and bindings)
    ctx.exit(1 if left else 0)


def _deleted(cleaning: Cleaning, due: Sequence[Leftover], *, as_json: bool) -> Iterator[Leftover]:
    with progress("Deleting", len(due)) as advance:
        for each in due:
            if cleaning.remove_queue(each):
                if not as_json:
                    click.echo(each.name)
                yield each
            advance(1)


def _is_due(leftover: Leftover, *, probable: bool) -> bool:
    certainty = leftover.judgement.certainty
    return certainty is Certainty.SURE or (probable and certainty is Certainty.PROBABLE)


def _tell(queues: Sequence[Leftover], bindings: Sequence[StaleBinding], now: datetime) -> None:
    if not queues and not bindings:
        click.echo("Nothing is left behind.", err=True)
        return
    if queues:
        for line in aligned([_HEADER, *(_row(each, now) for each in queues)]):
            click.echo(line, err=True)
    for each in bindings:
        binding = each.binding
        click.echo(f"binding of {binding.exchange!r} to {binding.queue!r}: {each.reason}", err=True)


def _row(leftover: Leftover, now: datetime) -> tuple[str, ...]:
    return (
        leftover.name,
        leftover.kind.value,
        duration_text((now - leftover.created_at).total_seconds()),
        str(leftover.depth.visible),
        str(leftover.depth.in_flight),
        leftover.judgement.certainty.value,
        leftover.judgement.reason,
    )


def _confirm(due: Sequence[Leftover], bindings: Sequence[StaleBinding], *, yes: bool) -> None:
    click.echo(f"Will delete {len(due)} queue(s) and {len(bindings)} binding(s).", err=True)
    if not yes:
        click.confirm("Go on?", abort=True, err=True)


def _print_json(
    queues: Sequence[Leftover],
    bindings: Sequence[StaleBinding],
    deleted: Sequence[Leftover],
    removed: Sequence[StaleBinding],
) -> None:
    names = {each.name for each in deleted}
    report = {
        "queues": [{**_facts(each), "deleted": each.name in names} for each in queues],
        "bindings": [
            {
                "exchange": each.binding.exchange,
                "queue": each.binding.queue,
                "routing_key": each.binding.routing_key,
                "reason": each.reason,
                "deleted": each in removed,
            }
            for each in bindings
        ],
    }
    click.echo(json.dumps(report, indent=2))


def _facts(leftover: Leftover) -> dict[str, Any]:
    return {
        "name": leftover.name,
        "kind": leftover.kind.value,
        "created_at": exact_text(leftover.created_at),
        "modified_at": exact_text(leftover.modified_at),
        "visible": leftover.depth.visible,
        "in_flight": leftover.depth.in_flight,
        "delayed": leftover.depth.delayed,
        "oldest_message_at": (
            None if leftover.oldest_at is None else exact_text(leftover.oldest_at)
        ),
        "left_behind": leftover.judgement.certainty.value,
        "reason": leftover.judgement.reason,
    }
