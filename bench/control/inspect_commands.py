"""``celery inspect``: every command, and how one sees that its answer is right."""

from collections.abc import Callable, Mapping
from typing import Any

from bench.control.asked import Command, Replies
from bench.control.fleet import NODES, NORTH, Fleet, own_queue
from bench.control.scene import SOON_SECONDS, nodes_of, send_naps


def inspect_commands(running: Mapping[str, str], waiting: Mapping[str, str]) -> list[Command]:
    """Return all but ``revoked``, which is in :mod:`bench.control.revoking_commands`.

    Args:
        running: ids of tasks that run, by node.
        waiting: ids of tasks that wait in the workers for their turn.
    """
    return [
        inspecting("ping", lambda _, replies: _all_are(replies, {"ok": "pong"}), "each says pong"),
        inspecting(
            "active",
            lambda _, replies: _are_told(running, replies),
            "each names the task that it runs",
        ),
        inspecting(
            "reserved",
            lambda _, replies: _are_told(waiting, replies),
            "each names the task that waits in it",
        ),
        _scheduled(),
        inspecting(
            "query_task",
            lambda _, replies: _one_runs(running, replies),
            "one of four knows the id, and that it runs",
            "query_task ID",
            running[NORTH[0]],
        ),
        inspecting(
            "registered",
            lambda _, replies: _each(replies, lambda _, told: "fleet.add" in str(told)),
            "the app's tasks",
        ),
        inspecting(
            "stats",
            lambda fleet, replies: _each(
                replies, lambda node, told: told["pid"] == fleet.workers[node].pid
            ),
            "pid, pool and counters of each",
        ),
        inspecting(
            "active_queues",
            lambda _, replies: _each(
                replies,
                lambda node, told: {each["name"] for each in told} == {"celery", own_queue(node)},
            ),
            "the queues that each consumes",
        ),
        inspecting(
            "conf",
            lambda _, replies: _each(replies, lambda _, told: told["worker_pool_restarts"] is True),
            "the app's settings, keys masked",
        ),
        inspecting(
            "report",
            lambda _, replies: _each(replies, lambda _, told: "celery-aws" in told["ok"]),
            "versions and settings",
        ),
        inspecting("clock", lambda _, replies: _each(replies, _has_clock), "logical clocks"),
        inspecting(
            "hello",
            lambda _, replies: _each(replies, _has_clock),
            "what a starting worker asks (mingle)",
            "hello",
            "somebody@fleet",
        ),
        inspecting(
            "memsample",
            lambda _, replies: _nobody_failed(replies),
            "a number where `psutil` is installed",
        ),
        inspecting(
            "memdump", lambda _, replies: _nobody_failed(replies), "what memsample has gathered"
        ),
        inspecting(
            "objgraph",
            lambda _, replies: _each(
                replies, lambda _, told: "filename" in told or "objgraph" in told["error"]
            ),
            "a picture, or that `objgraph` is not installed",
        ),
    ]


def inspecting(
    method: str,
    verify: Callable[[Fleet, Replies], None],
    note: str,
    text: str = "",
    *arguments: Any,
) -> Command:
    """Return a command of ``app.control.inspect``."""
    return Command(
        text=f"inspect {text or method}",
        send=lambda fleet, to: getattr(fleet.client.control.inspect(**to), method)(*arguments),
        verify=verify,
        note=note,
    )


def _scheduled() -> Command:
    due: dict[str, str] = {}

    return Command(
        text="inspect scheduled",
        prepare=lambda fleet: due.update(send_naps(fleet, countdown=SOON_SECONDS, expires=1.0)),
        send=lambda fleet, to: fleet.client.control.inspect(**to).scheduled(),
        verify=lambda _, replies: _are_told(due, replies),
        note="each names the task that is due soon",
    )


def _all_are(replies: Replies, expected: Any) -> None:
    _each(replies, lambda _, told: told == expected)


def _each(replies: Replies, is_right: Callable[[str, Any], bool]) -> None:
    wrong = {node: told for node, told in replies.items() if not is_right(node, told)}
    assert not wrong, wrong


def _are_told(ids: Mapping[str, str], replies: Replies) -> None:
    assert nodes_of(ids, replies) == set(NODES), replies


def _one_runs(running: Mapping[str, str], replies: Replies) -> None:
    task_id = running[NORTH[0]]
    states = {node: [state for state, _ in told.values()] for node, told in replies.items()}
    assert states == {node: ["active"] if node == NORTH[0] else [] for node in NODES}, states
    assert list(replies[NORTH[0]]) == [task_id], replies


def _has_clock(_: str, told: Any) -> bool:
    return int(told["clock"]) > 0


def _nobody_failed(replies: Replies) -> None:
    _each(replies, lambda _, told: "error" not in str(told))
