"""``celery -A proj aws migrate rollback``: moves messages and results back to the old side."""

from typing import Any

import click

from celery_aws.cli.app import celery_app
from celery_aws.cli.migrate_crossing import Crossing, Rest, move_messages, rest_of
from celery_aws.cli.migrate_moving import Moving, moving_options
from celery_aws.cli.migrate_options import OldSide, old_side_options
from celery_aws.cli.migrate_results import copy
from celery_aws.cli.migrate_words import confirm, exit_code, print_json, tell
from celery_aws.errors import ConfigurationError
from celery_aws.migrate.destinations import Destinations
from celery_aws.migrate.old_app import address, old_connection
from celery_aws.migrate.opening import driver_of, inventory_of
from celery_aws.migrate.tally import Tally
from celery_aws.names import AmqpQueue


@click.command("rollback", short_help="Move everything back.")
@old_side_options
@moving_options
@click.pass_context
def command(ctx: click.Context, *, old: OldSide, moving: Moving) -> None:
    """Move the messages on SQS back to the old broker, parked ones too, and the results back.

    At any step of a migration: let producers publish to the old broker again, first. What workers
    here have received comes back when they end. What SQS delays, for 15 minutes at most, cannot be
    received before: --follow waits for it. As with "run", killed it has lost nothing: run it again
    with the same journal.

    Exit code 1: something is in quarantine, or left on SQS, there also if somebody holds it.

    Costs one ReceiveMessage and one DeleteMessageBatch for ten messages, and four writes for a
    parked task.
    """
    app, old_app = celery_app(ctx), old.app()
    crossing = _crossing(app, old_app, old)
    confirm(crossing, moving)
    tally, ended, rest = Tally(), True, Rest()
    results: dict[str, Any] | None = None
    try:
        if moving.messages:
            ended = move_messages(crossing, moving, old.journal, tally)
            # Also when somebody stopped it: the exit code says whether all of it is back.
            rest = rest_of(crossing)
        if moving.results and ended:
            results = copy(app, old_app, moving, back=True)
    finally:
        if moving.as_json:
            print_json(crossing, tally, results)
        elif moving.messages:
            tell(crossing, tally, old.journal)
    _tell_rest(rest)
    left = rest.waiting or rest.held or rest.claimed
    ctx.exit(exit_code(crossing, tally, ended=ended) or int(bool(left)))


def _tell_rest(rest: Rest) -> None:
    if rest.waiting:
        click.echo(
            f"{rest.waiting} message(s) are on SQS still: delayed, or due in a moment, or new. Run "
            "it again, or with --follow",
            err=True,
        )
    if rest.claimed:
        click.echo(
            f"{rest.claimed} parked message(s) are claimed by a rollback that did not end: run it "
            "again for those",
            err=True,
        )
    if rest.held:
        click.echo(
            f"{rest.held} message(s) on SQS are held: by workers of the new side, or by a rollback "
            "that was killed less than 5 minutes ago. They are visible again when these end, or "
            "when the visibility timeout is over: run it again then (SQS counts up to a minute "
            "late)",
            err=True,
        )


def _crossing(app: Any, old_app: Any, old: OldSide) -> Crossing:
    if driver_of(app) != "aws" or driver_of(old_app) == "aws":
        raise ConfigurationError(
            "the app (-A) has to be the new one, on aws+sqs://, and --from or --from-config name "
            "the old one, which is entered again",
            where="--from",
        )
    back: dict[AmqpQueue, AmqpQueue] = {new: before for before, new in old.queues.items()}
    if len(back) < len(old.queues):
        raise ConfigurationError(
            "two old queues have become one, and nobody knows which message was whose: move it "
            "back to one of them, by a single --queue OLD=NEW",
            where="--queue",
        )
    inventory = inventory_of(app, queues=list(back) or None)
    names = [each.queue for each in inventory.queues]
    return Crossing(
        source=app,
        target=old_app,
        inventory=inventory,
        destinations=Destinations(moved=back or {name: name for name in names}),
        target_address=address(old_connection(old_app).as_uri()),
    )
