"""Commands of the ``celery`` program, run as a user runs them."""

import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.control.asked import Outcome, by_node
from bench.control.fleet import NODES, NORTH, PATIENCE_SECONDS, ROOT, Fleet, Usage, command_line
from bench.control.screen import on_screen

#: Longer than the second of Celery's own, for a busy machine; where the nodes are named, a command
#: ends with their answers.
_PATIENTLY = ("--timeout", f"{PATIENCE_SECONDS:g}")

#: Seconds for which it is waited who answers, where nobody is named: the first that is enough.
_TIMEOUTS_SECONDS = (1, 4, 16)

BACKLOG = "backlog"
BEAT = "celerybeat@fleet"

_AMQP = """\
exchange.declare changes topic
queue.declare changes-of-orders
queue.bind changes-of-orders changes order.#
basic.publish hello changes order.paid
basic.get changes-of-orders
queue.purge changes-of-orders
queue.delete changes-of-orders
exchange.delete changes 0
"""


@dataclass(frozen=True, kw_only=True)
class ShellCommand:
    """One command line.

    Attributes:
        text: as one types it behind ``celery``.
        run: runs it, looks whether it was done, and returns how many nodes have answered;
            None if none was asked.
        note: what was seen.
        commands: it sends messages to nothing but inboxes.
        on_screen: it draws on a terminal; what was drawn can be read back nearly always.
    """

    text: str
    run: Callable[[Fleet], int | None]
    note: str
    commands: bool = True
    on_screen: bool = False


def shell_commands() -> list[ShellCommand]:
    """Return those that end by themselves."""
    return [
        ShellCommand(text="status", run=_status, note="`4 nodes online.`"),
        ShellCommand(
            text="inspect --json -d NODE ping",
            run=_json,
            note="ends with the answer, not a second later",
        ),
        ShellCommand(
            text="control -d NODE,NODE rate_limit TASK 300/m", run=_limit, note="both have it"
        ),
        ShellCommand(
            text="purge -f -Q QUEUE", run=_purge, note="three of three messages", commands=False
        ),
        ShellCommand(
            text="list bindings",
            run=_bindings,
            note="the nodes' queues on `celery.pidbox` too",
        ),
        ShellCommand(
            text="amqp repl",
            run=_amqp,
            note="exchange.declare, queue.declare, queue.bind, basic.publish, basic.get, "
            "queue.purge, queue.delete, exchange.delete: the message goes through a topic exchange",
            commands=False,
        ),
        ShellCommand(text="result ID", run=_result, note="the result", commands=False),
        ShellCommand(text="report", run=_report, note="versions and settings, keys masked"),
    ]


def monitor_commands(*, quick: bool = False) -> list[ShellCommand]:
    """Return those that run until they are ended.

    Args:
        quick: not those that draw on a terminal.
    """
    commands = [
        ShellCommand(
            text="events --dump",
            run=_dump,
            note="a task's events, after `enable_events`; four heartbeats, after `heartbeat`",
            commands=False,
        ),
        ShellCommand(
            text="events",
            run=_curses,
            note="on a terminal (curses): a task is drawn",
            commands=False,
            on_screen=True,
        ),
        ShellCommand(
            text="beat --enable-remote-control",
            run=_beat,
            note="answers a `ping` (Celery 5.7), by name and beside the workers",
            commands=False,
        ),
    ]
    return [each for each in commands if not (quick and each.on_screen)]


def run_all(fleet: Fleet, commands: Sequence[ShellCommand]) -> list[Outcome]:
    """Run commands one after the other, and see what each has done.

    Raises:
        AssertionError: it was not done.
    """
    return [_run(fleet, each) for each in commands]


def _run(fleet: Fleet, command: ShellCommand) -> Outcome:
    with fleet.counted(commands=command.commands) as usage:
        answered = command.run(fleet)
    return _outcome(command, answered, usage)


def _outcome(command: ShellCommand, answered: int | None, usage: Usage) -> Outcome:
    replies = {} if answered is None else {"all": answered}
    return Outcome(command=command.text, replies=replies, usage=usage, note=command.note)


def _said(fleet: Fleet, *arguments: str, typed: str = "") -> str:
    code, said = fleet.command(*arguments, typed=typed)
    assert code == 0, (arguments, code, said)
    return said


def _status(fleet: Fleet) -> int:
    said, everybody = "", f"{len(NODES)} nodes online."
    for seconds in _TIMEOUTS_SECONDS:
        if everybody not in said:
            said = _said(fleet, "status", "--timeout", str(seconds))
    assert everybody in said, said
    return sum(node in said for node in NODES)


def _json(fleet: Fleet) -> int:
    told = json.loads(_said(fleet, "inspect", "--json", *_PATIENTLY, "-d", NORTH[0], "ping"))
    assert told == {NORTH[0]: {"ok": "pong"}}, told
    return len(told)


def _limit(fleet: Fleet) -> int:
    limit = ("rate_limit", "fleet.add", "300/m")
    said = _said(fleet, "control", *_PATIENTLY, "-d", ",".join(NORTH), *limit)
    told = fleet.client.control.inspect(NORTH, timeout=PATIENCE_SECONDS).registered("rate_limit")
    assert all("fleet.add [rate_limit=300/m]" in told[node] for node in NORTH), told
    return sum(f"{node}: OK" in said for node in NODES)


def _purge(fleet: Fleet) -> None:
    for number in range(3):
        fleet.client.send_task("fleet.add", (number, 1), queue=BACKLOG)
    said = _said(fleet, "purge", "-f", "-Q", BACKLOG)
    assert "Purged 3 messages" in said, said


def _bindings(fleet: Fleet) -> int:
    said = _said(fleet, "list", "bindings")
    return sum(f"{node}.celery.pidbox" in said for node in NODES)


def _amqp(fleet: Fleet) -> None:
    said = _said(fleet, "amqp", "repl", typed=_AMQP)
    assert "'body': b'hello'" in said, said
    assert "ERROR" not in said.upper(), said


def _result(fleet: Fleet) -> None:
    task = fleet.client.send_task("fleet.add", (2, 3))
    said = _said(fleet, "result", task.id)
    assert said.split() == ["5"], said


def _report(fleet: Fleet) -> None:
    said = _said(fleet, "report")
    assert "celery-aws:" in said, said


def _dump(fleet: Fleet) -> None:
    with _events_enabled(fleet), fleet.running("events", "--dump") as output:
        _send_heartbeats(
            fleet,
            lambda node, seconds: output.wait_for(rf"{node} .*heartbeat:.* freq=5\b", seconds),
        )
        task = fleet.client.send_task("fleet.add", (1, 1))
        for event in ("received", "succeeded"):
            seen = output.wait_for(rf"task {event}: .*{task.id}", PATIENCE_SECONDS)
            assert seen, output.tail()


def _curses(fleet: Fleet) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    with (
        _events_enabled(fleet),
        on_screen(command_line(["events"]), fleet.environment(), ROOT) as screen,
    ):
        # The first ones may be done before the workers know of the monitor.
        while not screen.wait_for(_middle(fleet.client.send_task("fleet.add", (1, 1)).id), 2.0):
            assert time.monotonic() < deadline, screen.tail()


def _middle(task_id: str) -> str:
    # The ends of a line are not drawn again where they are as before.
    return task_id[9:-9]


@contextmanager
def _events_enabled(fleet: Fleet) -> Iterator[None]:
    control = fleet.client.control
    control.enable_events(reply=True, limit=len(NODES))
    yield
    control.disable_events(reply=True, limit=len(NODES))


def _send_heartbeats(fleet: Fleet, is_seen: Callable[[str, float], bool]) -> None:
    """Send them until a monitor has seen one of each; a worker may not know of it at first."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    unseen = list(NODES)
    while unseen:
        assert time.monotonic() < deadline, unseen
        fleet.client.control.heartbeat(unseen)
        unseen = [node for node in unseen if not is_seen(node, 1.0)]


def _beat(fleet: Fleet) -> int:
    control = fleet.client.control
    with tempfile.TemporaryDirectory() as folder:
        schedule = str(Path(folder, "schedule"))
        arguments = ["--enable-remote-control", "-n", BEAT, "-s", schedule, "-l", "INFO"]
        with fleet.running("beat", *arguments) as output:
            assert output.wait_for("beat pidbox: Connected to", PATIENCE_SECONDS), output.tail()
            # Connected is not bound yet.
            deadline = time.monotonic() + PATIENCE_SECONDS
            while control.ping([BEAT], limit=1) != [{BEAT: {"ok": "pong"}}]:
                assert time.monotonic() < deadline, output.tail()
            told = by_node(control.ping(limit=len(NODES) + 1, timeout=PATIENCE_SECONDS))
    assert set(told) == {*NODES, BEAT}, told
    return len(told)
