"""How ``migrate run`` and ``migrate rollback`` are told to move."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

import click

from celery_aws.cli.schedule_options import json_option, yes_option

Command = Callable[..., Any]


@dataclass(frozen=True, kw_only=True)
class Moving:
    """How a command was told to move.

    Attributes:
        threads: for messages, and for results.
        per_second: messages, and results, at most; None is no limit.
        follow: go on when nothing is left.
        take_held: take what workers hold, too.
        even_if_alive: do so although a worker may be alive.
        yes: do not ask.
        as_json: print JSON.
        messages: move messages.
        results: copy results.
    """

    threads: int
    per_second: float | None
    follow: bool
    take_held: bool
    even_if_alive: bool
    yes: bool
    as_json: bool
    messages: bool
    results: bool


_OPTIONS: tuple[Callable[[Command], Command], ...] = (
    json_option,
    yes_option,
    click.option("--only-results", is_flag=True, help="Copy results, and move no messages."),
    click.option("--no-results", is_flag=True, help="Move messages, and copy no results."),
    click.option(
        "--take-held",
        is_flag=True,
        help="Take also what workers have received and not acknowledged. Refused while any of "
        "them is alive.",
    ),
    click.option(
        "--even-if-alive",
        is_flag=True,
        help="Do not refuse --take-held or --chords: you know that no worker of the old app is "
        "alive, and what answers or listens is something else. What a live worker holds would run "
        "twice.",
    ),
    click.option(
        "--follow",
        is_flag=True,
        help="When nothing is left, wait for more, until SIGINT or SIGTERM.",
    ),
    click.option(
        "--rate",
        "per_second",
        type=click.FloatRange(min=0, min_open=True),
        help="Messages, and results, a second at most, over all threads.",
    ),
    click.option(
        "--threads",
        type=click.IntRange(1, 64),
        default=1,
        show_default=True,
        help="Threads that move messages. A command that is killed may have sent ten messages "
        "for each that the next one sends again.",
    ),
)


def moving_options(command: Command) -> Command:
    """Add the options that say how to move; they arrive as ``moving``, a :class:`Moving`."""

    @wraps(command)
    def told(
        *arguments: Any,
        threads: int,
        per_second: float | None,
        follow: bool,
        take_held: bool,
        even_if_alive: bool,
        no_results: bool,
        only_results: bool,
        yes: bool,
        as_json: bool,
        **options: Any,
    ) -> Any:
        if only_results and (no_results or follow or take_held):
            raise click.UsageError("--only-results moves no messages: leave out the others")
        if even_if_alive and not (take_held or options.get("chords")):
            raise click.UsageError("--even-if-alive is for --take-held and --chords")
        moving = Moving(
            threads=threads,
            per_second=per_second,
            follow=follow,
            take_held=take_held,
            even_if_alive=even_if_alive,
            yes=yes,
            as_json=as_json,
            messages=not only_results,
            results=not no_results,
        )
        return command(*arguments, moving=moving, **options)

    whole: Command = told
    for add in _OPTIONS:
        whole = add(whole)
    return whole
