"""What revokes tasks that wait in workers, or run, and how one sees that it was done."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from bench.control.asked import Command
from bench.control.fleet import PATIENCE_SECONDS, Fleet
from bench.control.inspect_commands import inspecting
from bench.control.scene import STAMP, start_naps, start_stamped_naps

_Send = Callable[[Fleet, list[str], dict[str, Any]], Any]


def revoking_commands(running: Mapping[str, str], waiting: Mapping[str, str]) -> list[Command]:
    """Return the commands, in the order in which they have to be sent.

    Args:
        running: ids of tasks that run, by node.
        waiting: ids of tasks that wait in the workers for their turn.
    """
    return [
        _revoking("revoke ID...", _revoke, lambda _: waiting, "that waited"),
        inspecting(
            "revoked",
            lambda _, replies: _know(replies, waiting.values()),
            "each knows the ids",
        ),
        _revoking("revoke ID..., terminate", _revoke_running, lambda _: running, "that ran"),
        _revoking("terminate TERM ID...", _terminate, start_naps, "that ran"),
        _revoking(
            "revoke_by_stamped_headers KEY=VALUE, terminate",
            _revoke_stamped,
            start_stamped_naps,
            "that ran",
        ),
    ]


def _revoking(
    text: str, send: _Send, tasks: Callable[[Fleet], Mapping[str, str]], which: str
) -> Command:
    ids: list[str] = []

    return Command(
        text=f"control {text}",
        prepare=lambda fleet: ids.extend(tasks(fleet).values()),
        send=lambda fleet, to: send(fleet, ids, {**to, "reply": True}),
        verify=lambda fleet, _: _are_revoked(fleet, ids),
        note=f"the four tasks {which} are REVOKED",
    )


def _revoke(fleet: Fleet, ids: list[str], to: dict[str, Any]) -> Any:
    return fleet.client.control.revoke(ids, **to)


def _revoke_running(fleet: Fleet, ids: list[str], to: dict[str, Any]) -> Any:
    return fleet.client.control.revoke(ids, terminate=True, **to)


def _terminate(fleet: Fleet, ids: list[str], to: dict[str, Any]) -> Any:
    # As the command line sends it; app.control.terminate() is a revoke.
    arguments = {"signal": "TERM", "task_id": ids}
    return fleet.client.control.broadcast("terminate", arguments=arguments, **to)


def _revoke_stamped(fleet: Fleet, _: list[str], to: dict[str, Any]) -> Any:
    return fleet.client.control.revoke_by_stamped_headers(STAMP, terminate=True, **to)


def _are_revoked(fleet: Fleet, ids: Iterable[str]) -> None:
    for task_id in ids:
        result = fleet.client.AsyncResult(task_id)
        result.get(timeout=PATIENCE_SECONDS, propagate=False)
        assert result.state == "REVOKED", (task_id, result.state)


def _know(replies: Mapping[str, Any], ids: Iterable[str]) -> None:
    wrong = {node: told for node, told in replies.items() if not set(ids) <= set(told)}
    assert not wrong, wrong
