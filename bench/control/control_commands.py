"""``celery control``: what changes workers, and how one sees that it was done.

``election`` is left out: gossip sends it, workers to each other. What revokes is in
:mod:`bench.control.revoking_commands`.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from bench.control.asked import ALL, Command, Replies, by_node
from bench.control.fleet import NODES, NORTH, PATIENCE_SECONDS, SOUTH, Fleet, own_queue

EXTRA_QUEUE = "extra"

#: How often it is looked whether pools have changed; Celery does it every five seconds.
_LOOK_SECONDS = 0.5

#: Pids of the pool's processes, by node.
_Processes: TypeAlias = dict[str, list[int]]


def settings_commands() -> list[Command]:
    """Return those that change how tasks are worked on."""
    return [
        controlling(
            "rate_limit",
            "rate_limit TASK 600/m",
            lambda fleet, _: _registered(fleet, "rate_limit", "600/m"),
            "each has the limit",
            "fleet.add",
            "600/m",
        ),
        controlling(
            "time_limit",
            "time_limit TASK SOFT HARD",
            lambda fleet, _: _registered(fleet, "time_limit", "900"),
            "each has the limit",
            "fleet.add",
            800,
            900,
        ),
        controlling(
            "add_consumer",
            "add_consumer QUEUE",
            lambda fleet, _: _consume(fleet, {EXTRA_QUEUE}),
            "each consumes the queue, which is made",
            EXTRA_QUEUE,
        ),
        controlling(
            "cancel_consumer",
            "cancel_consumer QUEUE",
            lambda fleet, _: _consume(fleet, set()),
            "nobody consumes it any more",
            EXTRA_QUEUE,
        ),
        controlling(
            "enable_events",
            "enable_events",
            lambda fleet, _: _logged(fleet, r"Events of group \{task\} enabled by remote"),
            "each sends events of tasks",
        ),
        controlling(
            "disable_events",
            "disable_events",
            lambda fleet, _: _logged(fleet, r"Events of group \{task\} disabled by remote"),
            "each sends none any more",
        ),
        controlling(
            "heartbeat",
            "heartbeat",
            lambda _, replies: _all_say(replies, dict.fromkeys(NODES)),
            "for a monitor: see `celery events --dump`",
        ),
    ]


def pool_commands() -> tuple[list[Command], list[Command]]:
    """Return those that change pools, for when no task runs; the second list is for later."""
    pools = _Pools()
    first = [
        # First: a prefork pool that was shrunk does not always restart (billiard 4.2).
        _pool_restart(),
        controlling(
            "autoscale",
            "autoscale 3 1",
            _scale,
            "two scale from 1 to 3; two do not scale, and say so",
            3,
            1,
        ),
        Command(
            text="control pool_grow 1",
            send=lambda fleet, to: pools.change(fleet, "pool_grow", 1, to),
            verify=lambda fleet, _: pools.wait(fleet),
            note="two have one process more; two scale themselves, and say so",
            adds_up=True,
            takes_seconds=True,
        ),
    ]
    later = [
        Command(
            text="control pool_shrink 1",
            send=lambda fleet, to: pools.change(fleet, "pool_shrink", -1, to),
            verify=lambda fleet, _: pools.wait(fleet),
            note="two have one process less; two scale themselves, and say so",
            adds_up=True,
            takes_seconds=True,
        )
    ]
    return first, later


class _Pools:
    """The sizes of pools as they should be: Celery needs up to five seconds to bring them about."""

    def __init__(self) -> None:
        self._sizes = dict.fromkeys(NORTH, 1)

    def change(self, fleet: Fleet, method: str, by: int, to: dict[str, Any]) -> Any:
        """Send a command, and note who has said that it will obey."""
        if "destination" in to or "pattern" in to:
            # A pool that is told to shrink before it has shrunk may end one process for both
            # (billiard 4.2, ``Pool.shrink``).
            self.wait(fleet)
        answer = getattr(fleet.client.control, method)(1, reply=True, **to)
        for node, reply in by_node(answer).items():
            assert ("ok" in reply) == (node in NORTH), (node, reply)
            if node in NORTH:
                self._sizes[node] += by
        return answer

    def wait(self, fleet: Fleet) -> None:
        """Wait until the pools are as they should be."""
        _wait_for_processes(
            fleet,
            lambda processes: {node: len(processes[node]) for node in NORTH} == self._sizes,
        )


def controlling(
    method: str,
    text: str,
    verify: Callable[[Fleet, Replies], None],
    note: str,
    *arguments: Any,
) -> Command:
    """Return a command of ``app.control``."""
    return Command(
        text=f"control {text}",
        send=lambda fleet, to: getattr(fleet.client.control, method)(*arguments, reply=True, **to),
        verify=verify,
        note=note,
    )


def _pool_restart() -> Command:
    before: _Processes = {}

    def all_have_other(processes: _Processes) -> bool:
        return not any(set(pids) & set(before[node]) for node, pids in processes.items())

    return Command(
        text="control pool_restart",
        prepare=lambda fleet: before.update(_processes(fleet)),
        send=lambda fleet, to: fleet.client.control.pool_restart(reply=True, **to),
        verify=lambda fleet, _: _wait_for_processes(fleet, all_have_other),
        note="each has other processes",
        takes_seconds=True,
    )


def _all_say(replies: Replies, expected: Mapping[str, Any]) -> None:
    assert dict(replies) == dict(expected), replies


def _asked(fleet: Fleet, method: str, *arguments: Any) -> Replies:
    everybody = fleet.client.control.inspect(**ALL.keywords(quick=True))
    told: Replies = getattr(everybody, method)(*arguments)
    assert set(told) == set(NODES), f"{sorted(told)} answered"
    return told


def _registered(fleet: Fleet, attribute: str, value: str) -> None:
    told = f"fleet.add [{attribute}={value}]"
    for node, tasks in _asked(fleet, "registered", attribute).items():
        assert told in tasks, (node, tasks)


def _consume(fleet: Fleet, more: set[str]) -> None:
    for node, queues in _asked(fleet, "active_queues").items():
        names = {each["name"] for each in queues}
        assert names == {"celery", own_queue(node), *more}, (node, names)


def _logged(fleet: Fleet, pattern: str) -> None:
    for worker in fleet.workers.values():
        worker.wait_for_log(pattern, PATIENCE_SECONDS)


def _scale(fleet: Fleet, _: Replies) -> None:
    stats = _asked(fleet, "stats")
    for node in SOUTH:
        told = stats[node]["autoscaler"]
        assert (told["max"], told["min"]) == (3, 1), (node, told)


def _wait_for_processes(fleet: Fleet, are_right: Callable[[_Processes], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not are_right(processes := _processes(fleet)):
        assert time.monotonic() < deadline, processes
        time.sleep(_LOOK_SECONDS)


def _processes(fleet: Fleet) -> _Processes:
    return {node: told["pool"]["processes"] for node, told in _asked(fleet, "stats").items()}
