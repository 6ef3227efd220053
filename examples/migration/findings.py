"""What a migration came to: what the ledger, the result backend and Redis say in the end."""

from collections.abc import Mapping, Sequence

import redis

from examples.migration import orders, screen, verdict
from examples.migration.answers import wrong_answers
from examples.migration.ledger import Execution, Ledger


def of_orders(
    ledger: Ledger, killed: verdict.Killed, variables: Mapping[str, str]
) -> Mapping[str, bool]:
    """Print what came of all orders; return what has to be true of them, and whether it is.

    Args:
        ledger: of the shop.
        killed: the worker that was.
        variables: of a process that reads results on one side alone.
    """
    ordered, runs = orders.read(ledger.lines()), ledger.runs()
    lines = verdict.judged(ordered, runs, killed)
    screen.step("what came of it")
    screen.executions(lines)
    strangers = verdict.strangers(ordered, runs)
    answered = [line for line in ledger.lines() if line["event"] == "answered"]
    bodies = [runs.get(Execution(each.body), ()) for each in ordered if each.body]
    wrong = wrong_answers(ordered, variables)
    answers = sum(len(each.answers) for each in ordered)
    return {
        "every task ran, and none twice but for a killed worker's": all(
            line.good for line in lines.values()
        ),
        f"each of {len(bodies)} chord bodies was called once": all(
            len(found) == 1 or killed.was_running(found) for found in bodies
        ),
        f"nothing ran that nobody ordered{shown(strangers)}": not strangers,
        f"each of {len(answered)} customers who waited got the right answer": all(
            line["right"] for line in answered
        ),
        f"each of {answers} results is there, and right{shown(wrong)}": not wrong,
    }


def later(ledger: Ledger) -> int:
    """Return how many tasks were ordered that are not due yet."""
    return sum(order.kind == orders.FAR for order in orders.read(ledger.lines()))


def left_in_redis(url: str) -> list[str]:
    """Return the names of keys of the shop that have messages in them."""
    with redis.Redis.from_url(url) as server:
        return [
            key.decode()
            for key in server.scan_iter("shop:*")
            if server.type(key) == b"list" or key == b"shop:unacked"
        ]


def shown(found: Sequence[object]) -> str:
    """Return some of what was found, behind a colon; nothing if there is none."""
    return f": {', '.join(map(str, found[:3]))}" if found else ""
