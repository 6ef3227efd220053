"""``celery -A proj aws dlq list``: the dead-letter queues, with what leads to them."""

import json
from datetime import datetime
from itertools import islice
from typing import Any

import click

from celery_aws.cli.app import celery_app
from celery_aws.cli.dlq_desk import Desk, desk_of
from celery_aws.cli.schedule_options import json_option
from celery_aws.cli.schedule_text import aligned, exact_text, utc_text
from celery_aws.dlq.queues import DeadLetterQueue

_HEADER = ("QUEUE", "MESSAGES", "IN FLIGHT", "OF CELERY'S QUEUES", "FROM")


@click.command("list", short_help="List the dead-letter queues, with what leads to them.")
@click.option(
    "--peek",
    is_flag=True,
    help="Receive up to ten messages of each, and tell the oldest of these; a receive of each.",
)
@json_option
@click.pass_context
def command(ctx: click.Context, *, peek: bool, as_json: bool) -> None:
    """List the app's dead-letter queues, with how much is in them and what leads to them.

    Costs two requests for each SQS queue of the app and three for each dead-letter queue; --peek
    two more for each of these. The age of the oldest message is not among what SQS tells:
    CloudWatch has it as ApproximateAgeOfOldestMessage.
    """
    with desk_of(celery_app(ctx)) as desk:
        found = [(queue, _oldest(desk, queue) if peek else None) for queue in desk.queues.all()]
    if as_json:
        click.echo(json.dumps({"queues": [_facts(*each) for each in found]}, indent=2))
        return
    if not found:
        click.echo("None of the app's queues has a dead-letter queue.", err=True)
        return
    header = (*_HEADER, "OLDEST SEEN (UTC)") if peek else _HEADER
    head, *rows = aligned([header, *(_row(*each, peek=peek) for each in found)])
    click.echo(head, err=True)
    for line in rows:
        click.echo(line)


def _oldest(desk: Desk, queue: DeadLetterQueue) -> datetime | None:
    """Return when the oldest of the first messages was sent; None without any."""
    if not queue.depth.visible or queue.policy is not None:
        return None  # One with a redrive policy of its own could lose messages to the next.
    with desk.look(queue, None) as look:
        pages = islice(look.pages(), 1)
        sent = [each.message.sent_at for page in pages for each in page]
    return min((each for each in sent if each is not None), default=None)


def _row(queue: DeadLetterQueue, oldest: datetime | None, *, peek: bool) -> tuple[str, ...]:
    cells = (
        queue.name,
        str(queue.depth.visible + queue.depth.delayed),
        str(queue.depth.in_flight),
        ", ".join(queue.serves) or "-",
        ", ".join(source.name for source in queue.sources) or "-",
    )
    return (*cells, "-" if oldest is None else utc_text(oldest)) if peek else cells


def _facts(queue: DeadLetterQueue, oldest: datetime | None) -> dict[str, Any]:
    return {
        "name": queue.name,
        "url": queue.url,
        "arn": queue.arn,
        "visible": queue.depth.visible,
        "in_flight": queue.depth.in_flight,
        "delayed": queue.depth.delayed,
        "queues": list(queue.serves),
        "sources": [source.name for source in queue.sources],
        "all_sources_known": queue.sources_known,
        "has_redrive_policy": queue.policy is not None,
        "oldest_seen": None if oldest is None else exact_text(oldest),
    }
