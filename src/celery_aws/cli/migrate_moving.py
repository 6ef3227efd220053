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
        even_if_alive: take it although workers seem to be alive.
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


@dataclass(frozen=True, kw_only=True)
class Crossing:
    """From where to where.

    Attributes:
        source: the app that is left.
        target: the app that is entered.
        inventory: what is in the first.
        destinations: where its queues go.
        target_address: of the second, without secrets.
        management_url: of RabbitMQ's HTTP API, if the first is on RabbitMQ.
        revoked: ids of tasks that are not to run.
    """

    source: Any
    target: Any
    inventory: Inventory
    destinations: Destinations
    target_address: str
    management_url: str | None = field(default=None, repr=False)
    revoked: frozenset[str] = frozenset()

    @property
    def messages(self) -> int:
        """About how many messages will go."""
        moved = self.destinations.moved
        waiting = sum(each.messages for each in self.inventory.queues if each.queue in moved)
        return waiting + self.inventory.delayed + self.inventory.claimed

    @property
    def blocked(self) -> Mapping[AmqpQueue, str]:
        """The queues with messages that stay, and why."""
        busy = {each.queue for each in self.inventory.queues if each.messages}
        return {queue: why for queue, why in self.destinations.blocked.items() if queue in busy}


_OPTIONS: tuple[Callable[[Command], Command], ...] = (
    json_option,
    yes_option,
    click.option("--only-results", is_flag=True, help="Copy results, and move no messages."),
    click.option("--no-results", is_flag=True, help="Move messages, and copy no results."),
    click.option(
        "--even-if-alive",
        is_flag=True,
        help="With --take-held from Redis: it is not refused. Right if those that live are workers "
        "of another app in the same database; what runs would run twice.",
    ),
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
        if even_if_alive and not take_held:
            raise click.UsageError("--even-if-alive says something of --take-held only")
            raise click.UsageError("--even-if-alive is for --take-held")
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


def confirm(crossing: Crossing, moving: Moving) -> None:
    """Say what will be done, and ask."""
    for line in _plan_lines(crossing, moving):
        click.echo(line, err=True)
    if not moving.yes:
        click.confirm("Go on?", abort=True, err=True)


def move_messages(crossing: Crossing, moving: Moving, path: Path, tally: Tally) -> bool:
    """Move messages, with a bar, until none are left or somebody wants it to stop.

    Args:
        crossing: from where to where.
        moving: how.
        path: of the journal.
        tally: numbers go in here, also before an error.

    Returns:
        False if somebody stopped it.

    Raises:
        CeleryAwsError: see :func:`celery_aws.migrate.transfer.migrate`; or another run is at it.
    """
    run = uuid()[:8]
    with closing(Journal(path)) as journal, journal.held():
        passage = journal.begin(
            source=crossing.inventory.source,
            target=crossing.target_address,
            name=run,
            now=_CLOCK.now(),
        )
        order = Order(
            run=run,
            threads=moving.threads,
            per_second=moving.per_second,
            follow=moving.follow,
            revoked=crossing.revoked,
        )
        with (
            stop_requests() as stopped,
            progress("Moving", crossing.messages) as advance,
        ):
            migrate(
                _sides(crossing, moving, passage),
                order,
                journal=journal,
                quarantine=Quarantine.beside(path, source=crossing.inventory.source),
                clock=_CLOCK,
                stopped=stopped,
                progress=advance,
                tally=tally,
            )
            return not stopped()


def tell(crossing: Crossing, tally: Tally, path: Path) -> None:
    """Say for people what was done."""
    words = [
        f"{tally.sent} sent",
        f"{tally.parked} parked",
        f"{tally.again} sent by an earlier run",
        f"{tally.revoked} revoked",
        f"{tally.quarantined} in quarantine",
        f"{tally.left} left",
    ]
    click.echo(f"messages: {', '.join(words)}")
    if tally.quarantined or tally.revoked:
        file = Quarantine.beside(path, source=crossing.inventory.source).path
        click.echo(f"{file} has those in quarantine and the revoked ones, and why", err=True)
    if tally.uncertain:
        click.echo(
            f"{tally.uncertain} of those left may have been sent, because no answer came: they "
            "may run twice",
            err=True,
        )


def print_json(crossing: Crossing, tally: Tally, results: Mapping[str, Any] | None) -> None:
    """Print for programs what was done."""
    report = {
        "from": crossing.inventory.source,
        "to": crossing.target_address,
        "messages": tally.as_json(),
        "blocked": dict(crossing.blocked),
        "results": results,
    }
    click.echo(json.dumps(report, indent=2))


def exit_code(crossing: Crossing, tally: Tally, *, ended: bool) -> int:
    """Return 1 if something stays, or is in quarantine; who stopped it knows that more is left."""
    if tally.quarantined:
        return 1
    return int(ended and bool(tally.left or crossing.blocked))


def left_now(crossing: Crossing) -> int:
    """Return how many messages of the queues that go wait now; they came after the end, or hide."""
    inventory = inventory_of(
        crossing.source,
        queues=list(crossing.destinations.moved),
        look=False,
        management_url=crossing.management_url,
    )
    return sum(each.messages for each in inventory.queues) + inventory.delayed


def _sides(crossing: Crossing, moving: Moving, passage: Passage) -> Sides:
    return Sides(
        source=lambda name: source_of(
            crossing.source,
            queues=crossing.destinations.moved,
            run=name,
            take_held=moving.take_held,
            management_url=crossing.management_url,
        ),
        target=lambda name: target_of(crossing.target, name, passage=passage.name),
    )


def _plan_lines(crossing: Crossing, moving: Moving) -> list[str]:
    counts = {each.queue: each.messages for each in crossing.inventory.queues}
    lines = [f"From {crossing.inventory.source} to {crossing.target_address}:"]
    if moving.messages:
        for old, new in crossing.destinations.moved.items():
            name = old if old == new else f"{old} to {new}"
            lines.append(f"  {name}: {counts.get(old, 0)} message(s) will be moved")
        if crossing.inventory.delayed:
            lines.append(
                f"  {crossing.inventory.delayed} message(s) in native delays: those that are for "
                "these queues"
            )
        if crossing.inventory.claimed:
            lines.append(
                f"  {crossing.inventory.claimed} message(s) were claimed by a run that did not end"
            )
        for old, why in crossing.blocked.items():
            lines.append(f"  {old}: {counts.get(old, 0)} message(s) stay: {why}")
        if crossing.revoked:
            lines.append(f"  {len(crossing.revoked)} task id(s) are revoked, and not sent")
    if moving.results:
        lines.append("  results will be copied")
    return lines
