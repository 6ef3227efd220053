"""``celery -A proj aws dlq show``: what lies in a dead-letter queue."""

import json

import click

from celery_aws.cli.app import celery_app
from celery_aws.cli.dlq_desk import Desk, desk_of, wanted_of, warn_of_looking
from celery_aws.cli.dlq_options import filter_options, queue_argument, visibility_option
from celery_aws.cli.dlq_text import HEADER, facts, named, row
from celery_aws.cli.interrupts import stop_requests
from celery_aws.cli.progress import progress
from celery_aws.cli.schedule_options import json_option, yes_option
from celery_aws.cli.schedule_text import aligned, lines
from celery_aws.dlq.letters import Letter, LetterFilter
from celery_aws.dlq.queues import DeadLetterQueue

#: Dead letters that are shown.
DEFAULT_LIMIT = 50


@click.command("show", short_help="Show what lies in a dead-letter queue.")
@queue_argument
@filter_options
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=DEFAULT_LIMIT,
    show_default=True,
    help="Messages to show at most.",
)
@click.option("--long", "in_full", is_flag=True, help="Everything that is known of each.")
@visibility_option
@yes_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    *,
    queue: str,
    wanted: LetterFilter,
    limit: int,
    in_full: bool,
    seconds: int | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Show what lies in a dead-letter queue.

    Nothing is taken out. But SQS counts each look as a receive of what was looked at, and nobody
    else receives that until the command ends. Arguments are shown as whoever sent the task wrote
    them down; no body but JSON is ever decoded. WHY is what the result of the task says went wrong.

    Costs two requests for ten messages, read until --limit are found; a read of their results for
    ten, and one of S3 for each whose body is there.
    """
    with desk_of(celery_app(ctx)) as desk:
        found = desk.queues.named(queue)
        warn_of_looking(found, yes=yes)
        letters = _letters(desk, found, wanted, limit, seconds)
    if as_json:
        click.echo(json.dumps({"messages": list(map(facts, letters))}, indent=2, default=str))
    elif in_full:
        click.echo("\n\n".join("\n".join(lines(named(letter))) for letter in letters))
    else:
        header, *rows = aligned([HEADER, *map(row, letters)])
        click.echo(header, err=True)
        for line in rows:
            click.echo(line)
    click.echo(f"{len(letters)} shown; {found.name} has about {found.depth.messages}.", err=True)


def _letters(
    desk: Desk, queue: DeadLetterQueue, wanted: LetterFilter, limit: int, seconds: int | None
) -> list[Letter]:
    letters: list[Letter] = []
    with (
        stop_requests() as stopped,
        progress("Looking", queue.depth.visible) as seen,
        desk.look(queue, seconds) as look,
    ):
        reader = desk.reader(errors=True)
        for page in wanted_of(look, reader, wanted, stopped=stopped, seen=seen):
            letters += page
            if len(letters) >= limit:
                break
    return letters[:limit]
