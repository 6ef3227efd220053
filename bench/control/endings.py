"""``celery control shutdown``: the last command that a worker gets, and nobody answers it."""

from collections.abc import Iterable
from typing import Any

from bench.control.asked import AUDIENCES, Outcome, by_node
from bench.control.fleet import NODES, Fleet


def end_workers(fleet: Fleet) -> list[Outcome]:
    """Shut two workers down by a pattern and one by its name, and then the last one.

    Raises:
        AssertionError: another worker ended, or one with an error, or one answered.
    """
    glob = AUDIENCES["glob"]
    named = [node for node in AUDIENCES["destination"].nodes if node not in glob.nodes]
    _send(fleet, **glob.how)
    _send(fleet, destination=named)
    _see_end(fleet, [*glob.nodes, *named])
    left = [node for node, worker in fleet.workers.items() if worker.running]
    assert set(left) == set(NODES) - {*glob.nodes, *named}, left
    with fleet.counted(commands=False) as usage:
        _send(fleet)
        _see_end(fleet, left)
    return [
        Outcome(
            command="control shutdown",
            replies=dict.fromkeys(AUDIENCES, 0),
            usage=usage,
            note="they end warm, with code 0, the others go on; nobody answers, as on any broker "
            "(requests: with one worker)",
        )
    ]


def _send(fleet: Fleet, **how: Any) -> None:
    answer = fleet.client.control.shutdown(reply=True, **how)
    assert by_node(answer) == {}, answer


def _see_end(fleet: Fleet, nodes: Iterable[str]) -> None:
    codes = {node: fleet.workers[node].wait() for node in nodes}
    assert set(codes.values()) == {0}, codes
