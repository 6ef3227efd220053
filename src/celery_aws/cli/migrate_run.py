"""``celery -A proj aws migrate run``: moves messages to SQS, and copies results."""

from pathlib import Path
from typing import Any

import click

from celery_aws.cli.app import celery_app
from celery_aws.cli.migrate_crossing import Crossing, Rest, move_messages, rest_of
from celery_aws.cli.migrate_moving import Moving, moving_options
from celery_aws.cli.migrate_options import OldSide, old_side_options
from celery_aws.cli.migrate_results import copy
from celery_aws.cli.migrate_words import confirm, exit_code, print_json, tell, tell_blocked
from celery_aws.errors import ConfigurationError
from celery_aws.migrate.chord_readiness import refuse_early_moves
from celery_aws.migrate.destinations import destinations
from celery_aws.migrate.new_side import read_new_side
from celery_aws.migrate.observations import Observations, workers_of
from celery_aws.migrate.old_app import address
from celery_aws.migrate.opening import driver_of, inventory_of
from celery_aws.migrate.revoked import TIMEOUT_SECONDS, revoked_ids
from celery_aws.migrate.tally import Tally

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("run", short_help="Move the messages and copy the results.")
@old_side_options
@moving_options
@click.option(
    "--statedb",
    "state_files",
    multiple=True,
    type=click.Path(path_type=Path),
    help="What an old worker was given as --statedb: it knows revoked tasks. May be repeated.",
)
@click.option(
    "--revoked-file",
    "id_files",
    multiple=True,
    type=_FILE,
    help="A file with an id of a revoked task on each line. May be repeated.",
)
@click.option(
    "--ask-seconds",
    type=click.FloatRange(min=0),
    default=TIMEOUT_SECONDS,
    show_default=True,
    help="How long old workers have to say which tasks are revoked; 0 does not ask them, nor does "
    "a run that sees that there are none.",
)
@click.option(
    "--chords",
    is_flag=True,
    help="Move chords in flight from Redis, too, so that they end without it. Refused while there "
    "are workers that do not look at both sides; without it they end where they began.",
)
@click.pass_context
def command(
    ctx: click.Context,
    *,
    old: OldSide,
    moving: Moving,
    state_files: tuple[Path, ...],
    id_files: tuple[Path, ...],
    ask_seconds: float,
    chords: bool,
) -> None:
    """Move the messages of the old broker to SQS, and copy the results of the old backend.

    Workers of both sides may run meanwhile. Killed at any instruction it has lost nothing: run it
    again with the same journal. It has then sent ten messages twice at most (with --threads ten for
    each), which workers drop as long as migration_deduplication is on. What cannot be sent goes
    into a file beside the journal. Ends when nothing is left, or with SIGTERM or Ctrl-C after the
    batch under way.

    Exit code 1: something is in quarantine, or stays because it has no queue to go to.

    Costs one SendMessageBatch for ten messages of one queue, one or two writes for a task whose eta
    is more than 15 minutes away, and what the results cost.
    """
    if chords and not moving.results:
        raise click.UsageError("--chords moves results: leave out --no-results")
    app, old_app = celery_app(ctx), old.app()
    crossing = _crossing(
        app,
        old_app,
        old,
        moving,
        state_files=state_files,
        id_files=id_files,
        ask_seconds=ask_seconds,
    )
    confirm(crossing, moving)
    if chords:
        _refuse_early_chords(crossing, moving)
    tally, ended, rest = Tally(), True, Rest()
    results: dict[str, Any] | None = None
    try:
        if moving.messages:
            ended = move_messages(crossing, moving, old.journal, tally)
            rest = rest_of(crossing)
        if moving.results and ended:
            results = copy(old_app, app, moving, chords=chords)
    finally:
        if moving.as_json:
            print_json(crossing, tally, results)
        elif moving.messages:
            tell(crossing, tally, old.journal)
    if moving.messages:
        tell_blocked(crossing)
    _tell_rest(rest)
    ctx.exit(exit_code(crossing, tally, ended=ended) if moving.messages else 0)


def _refuse_early_chords(crossing: Crossing, moving: Moving) -> None:
    refuse_early_moves(
        Observations(
            inventory=crossing.inventory,
            old_workers=workers_of(crossing.source),
            new_workers=workers_of(crossing.target),
            told_gone=moving.even_if_alive,
        )
    )


def _tell_rest(rest: Rest) -> None:
    if rest.claimed:
        click.echo(
            f"{rest.claimed} message(s) are claimed still, by a run that has not ended, or of "
            "queues that were not moved: run it again for those",
            err=True,
        )
    if rest.held:
        click.echo(
            f"{rest.held} message(s) are held by old workers: what these do not finish comes back "
            "when they stop; run it again then",
            err=True,
        )
    if rest.delayed:
        click.echo(
            f"{rest.delayed} delayed message(s) stay: they are for queues that were not moved, or "
            "that nobody knows",
            err=True,
        )


def _crossing(
    app: Any,
    old_app: Any,
    old: OldSide,
    moving: Moving,
    *,
    state_files: tuple[Path, ...],
    id_files: tuple[Path, ...],
    ask_seconds: float,
) -> Crossing:
    if driver_of(old_app) == driver_of(app):
        raise ConfigurationError(
            f"both sides are on {driver_of(app)}: the app (-A) is the new one, and --from or "
            "--from-config name the old one",
            where="--from",
        )
    inventory = inventory_of(
        old_app,
        queues=list(old.queues) or None,
        look=False,
        management_url=old.management_url,
    )
    names = [each.queue for each in inventory.queues]
    side = read_new_side(app, list(old.queues.values()) or names)
    revoked = frozenset[str]()
    if moving.messages:
        revoked = revoked_ids(
            old_app,
            journal=old.journal,
            statedb=state_files,
            files=id_files,
            timeout_seconds=0.0 if inventory.listeners == 0 else ask_seconds,
        )
    return Crossing(
        source=old_app,
        target=app,
        inventory=inventory,
        destinations=destinations(names, old.queues, side),
        target_address=address(app.connection_for_write().as_uri()),
        management_url=old.management_url,
        revoked=revoked,
    )
