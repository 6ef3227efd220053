"""The results' part of ``migrate run`` and ``migrate rollback``."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import click

from celery_aws.cli.migrate_moving import Moving
from celery_aws.cli.progress import progress
from celery_aws.errors import UnsupportedError
from celery_aws.migrate.results.copying import copy_results
from celery_aws.migrate.results.tally import ResultTally

#: Threads that copy at least: a result that is copied twice is written once.
THREADS = 4


def copy(
    source: Any, target: Any, moving: Moving, *, chords: bool = False, back: bool = False
) -> dict[str, Any] | None:
    """Copy the results of one app to another, with a bar, and say how many.

    Args:
        source: the app whose result backend is read.
        target: the app whose result backend gets them.
        moving: how.
        chords: move those in flight, too.
        back: whether it is the way back.

    Returns:
        The numbers, by name; None if results of these backends are not copied.

    Raises:
        UnsupportedError: they are not, and nothing else was asked for.
        AwsError: AWS refused.
    """
    try:
        with progress("Results", 0) as advance:
            tally = copy_results(
                source,
                target,
                threads=max(moving.threads, THREADS),
                rate=moving.per_second,
                progress=_advancing(advance),
                chords=chords,
                back=back,
            )
    except UnsupportedError as error:
        if not moving.messages:
            raise
        click.echo(f"results: none are copied: {error}", err=True)
        return None
    numbers = asdict(tally)
    if not moving.as_json:
        _tell(tally)
    return numbers


def _tell(tally: ResultTally) -> None:
    click.echo(
        f"results: {tally.copied} copied, {tally.groups} groups, {tally.kept} kept as they were, "
        f"{tally.expired} expired, {tally.chords} chords moved, {tally.chords_left} left, "
        f"{len(tally.unreadable)} unreadable"
    )
    for key in tally.unreadable:
        click.echo(f"  unreadable, and left: {key}", err=True)


def _advancing(advance: Callable[[int], None]) -> Callable[[ResultTally], None]:
    seen = 0

    def move_on(tally: ResultTally) -> None:
        nonlocal seen
        advance(tally.seen - seen)
        seen = tally.seen

    return move_on
