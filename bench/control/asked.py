"""A command that a client sends to the fleet, to whom, and what came of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from bench.control.fleet import NODES, NORTH, PATIENCE_SECONDS, SOUTH, Fleet, Usage

#: What each node has answered, by its name.
Replies: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Audience:
    """Whom a command is for.

    Attributes:
        how: the ways of Celery's to say so, as keywords.
        nodes: who should answer.
    """

    how: Mapping[str, Any] = field(default_factory=dict)
    nodes: Sequence[str] = NODES

    def keywords(self, *, quick: bool) -> dict[str, Any]:
        """Return what Celery's functions take.

        Args:
            quick: wait until everybody has answered, however long that takes on a busy machine;
                else, as Celery does, for a second more than that.
        """
        patience = {"limit": len(self.nodes), "timeout": PATIENCE_SECONDS} if quick else {}
        return {**self.how, **patience}


ALL = Audience()

#: In the order of the table's columns.
AUDIENCES = {
    "all": ALL,
    "destination": Audience(
        how={"destination": [NORTH[0], SOUTH[1]]},
        nodes=(NORTH[0], SOUTH[1]),
    ),
    "glob": Audience(how={"pattern": "south-*", "matcher": "glob"}, nodes=SOUTH),
    "regular expression": Audience(
        how={"pattern": r"north-[12]@\w+", "matcher": "pcre"}, nodes=NORTH
    ),
}


@dataclass(frozen=True, kw_only=True)
class Command:
    """One of Celery's commands.

    Attributes:
        text: as one types it behind ``celery``.
        send: calls Celery's function; takes the fleet and its keywords.
        verify: looks whether it was done, by all who can; takes the fleet and the replies.
        note: what ``verify`` has seen.
        prepare: is called before anything is sent.
        adds_up: True if it does more when it is sent once more.
        takes_seconds: True if ``verify`` should look when other commands have been sent.
    """

    text: str
    send: Callable[[Fleet, dict[str, Any]], Any]
    verify: Callable[[Fleet, Replies], None]
    note: str
    prepare: Callable[[Fleet], None] = lambda _: None
    adds_up: bool = False
    takes_seconds: bool = False


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A row of the table.

    Attributes:
        command: as one types it.
        replies: how many answered, by audience.
        usage: requests, where all were asked.
        note: what was seen.
    """

    command: str
    replies: Mapping[str, int]
    usage: Usage
    note: str


def ask_all(fleet: Fleet, commands: Sequence[Command], *, quick: bool) -> list[Outcome]:
    """Send commands one after the other, and see what each has done.

    What takes seconds is seen by :func:`verify_late`.

    Args:
        fleet: whom.
        commands: what.
        quick: send every second one to some of them in one way, unless it adds up; else all in
            every way.

    Raises:
        AssertionError: others answered than were asked, or it was not done.
    """
    outcomes = []
    for position, command in enumerate(commands):
        ways = list(AUDIENCES)[1:]
        if quick:
            left_out = command.adds_up or position % 2
            ways = [] if left_out else [ways[position // 2 % len(ways)]]
        outcomes.append(_ask(fleet, command, ["all", *ways], quick=quick))
    return outcomes


def verify_late(fleet: Fleet, commands: Sequence[Command]) -> None:
    """See what commands have done that take seconds.

    Raises:
        AssertionError: it was not done.
    """
    for command in commands:
        if command.takes_seconds:
            command.verify(fleet, {})


def _ask(fleet: Fleet, command: Command, names: Sequence[str], *, quick: bool) -> Outcome:
    answered: dict[str, int] = {}
    usage = Usage()
    command.prepare(fleet)
    for name in names:
        audience = AUDIENCES[name]
        with fleet.counted() as used:
            replies = by_node(command.send(fleet, audience.keywords(quick=quick)))
        assert set(replies) == set(audience.nodes), f"{command.text}, {name}: {sorted(replies)}"
        answered[name] = len(replies)
        if audience is ALL:
            usage = used
            if not command.takes_seconds:
                command.verify(fleet, replies)
    return Outcome(command=command.text, replies=answered, usage=usage, note=command.note)


def by_node(answer: Any) -> Replies:
    """Return what Celery hands out for an inspect, or for another command, in one form."""
    if isinstance(answer, list):
        return {node: reply for each in answer for node, reply in each.items()}
    return dict(answer or {})
