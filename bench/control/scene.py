"""What happens in the fleet while it is commanded: tasks that run, wait and are due."""

import re
import time
from collections.abc import Iterable, Mapping
from typing import Any

from bench.control.fleet import NODES, PATIENCE_SECONDS, Fleet, own_queue

#: Longer than anybody looks on.
LONG_SECONDS = 600.0

#: The worker holds a task that is due so soon.
SOON_SECONDS = 4.5

STAMP = {"order": "7"}


def send_naps(fleet: Fleet, **how: Any) -> dict[str, str]:
    """Let every worker receive a task that does not end; return its id by node."""
    ids = {node: _nap(fleet, node, **how) for node in NODES}
    _wait_until_received(fleet, ids.items())
    return ids


def start_naps(fleet: Fleet) -> dict[str, str]:
    """Start a task that does not end in every worker; return its id by node."""
    ids = send_naps(fleet)
    _wait_until_active(fleet, ids)
    return ids


def start_stamped_naps(fleet: Fleet) -> dict[str, str]:
    """Start a stamped task in every worker; return its id by node.

    One that a child has been sent and has not accepted yet could not be revoked by its stamp: not
    terminated, because it does not run, nor discarded when it does (celery/worker/control.py,
    ``revoke_by_stamped_headers``).
    """
    nap = fleet.client.signature("fleet.nap", (LONG_SECONDS,)).stamp(**STAMP)
    ids = {node: nap.apply_async(queue=own_queue(node)).id for node in NODES}
    _wait_until_active(fleet, ids)
    return ids


def nodes_of(ids: Mapping[str, str], replies: Any) -> set[str]:
    """Return the nodes that have told of their task in a list of requests."""
    told = {
        node: [(each.get("request") or each)["id"] for each in requests]
        for node, requests in replies.items()
    }
    return {node for node, task_id in ids.items() if task_id in told.get(node, ())}


def _nap(fleet: Fleet, node: str, **how: Any) -> str:
    result = fleet.client.send_task("fleet.nap", (LONG_SECONDS,), queue=own_queue(node), **how)
    return str(result.id)


def _wait_until_received(fleet: Fleet, ids: Iterable[tuple[str, str]]) -> None:
    for node, task_id in ids:
        pattern = rf"Task fleet\.nap\[{re.escape(task_id)}\] received"
        fleet.workers[node].wait_for_log(pattern, PATIENCE_SECONDS)


def _wait_until_active(fleet: Fleet, ids: Mapping[str, str]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    inspect = fleet.client.control.inspect(limit=len(NODES), timeout=PATIENCE_SECONDS)
    while nodes_of(ids, inspect.active() or {}) != set(NODES):
        assert time.monotonic() < deadline, ids
