"""The migration as docs/how-to/migrate.md tells it, step by step, and what it came to."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import redis

from examples.migration import orders, screen, verdict
from examples.migration.answers import wrong_answers
from examples.migration.commands import Shell
from examples.migration.fleet import Fleet
from examples.migration.ledger import Execution, Ledger
from examples.migration.orders import FAR, Order

#: Seconds of business as usual between two steps.
QUIET_SECONDS = 6.0

#: Seconds between two orders when all come at once.
RUSH_SECONDS = 0.02

#: Seconds until all that was ordered has run; far more than it takes.
PATIENCE_SECONDS = 120.0

#: The plan finds something to tell, status something to wait for.
FINDINGS = (0, 1)

#: The worker that is killed, and when it was.
KILLED = "old2"


class Story:
    """One migration of a shop.

    Args:
        fleet: the shop.
    """

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._ledger = Ledger(fleet.ledger)
        self._shell = Shell(fleet)
        self._killed = verdict.Killed(worker="", at=0.0)

    def tell(self) -> Mapping[str, bool]:
        """Migrate; return what has to be true, and whether it is."""
        self._open_on_redis()
        self._look_and_provision()
        self._read_both_results()
        self._start_new_workers()
        self._switch_producers()
        self._empty_redis()
        verified = self._copy_and_verify()
        self._leave_redis()
        return {**self._judge(), **verified}

    def _open_on_redis(self) -> None:
        screen.step("a shop on Redis: two workers, and customers who order")
        for name in ("old1", "old2"):
            self._fleet.start_worker(name, "before")
        self._fleet.open_shop("before")
        time.sleep(QUIET_SECONDS)

    def _look_and_provision(self) -> None:
        screen.step("1. what will be moved, and what blocks")
        self._shell.migrate("plan", codes=FINDINGS)
        screen.step("2. queues and tables")
        self._shell.run("aws", "provision", "apply", "--yes")
        self._shell.run("aws", "doctor", codes=FINDINGS)

    def _read_both_results(self) -> None:
        screen.step("3. results on both sides: workers, then producers, are restarted")
        for name in ("old1", "old2"):
            self._fleet.restart_worker(name, "both")
        # More than the workers can do, so that much waits.
        self._fleet.open_shop("both", pace_seconds=RUSH_SECONDS)
        time.sleep(QUIET_SECONDS)

    def _start_new_workers(self) -> None:
        screen.step("4. new workers, on SQS")
        for name in ("new1", "new2"):
            self._fleet.start_worker(name, "after")
        self._shell.migrate("status", codes=FINDINGS)

    def _switch_producers(self) -> None:
        screen.step("5. producers send to SQS")
        self._fleet.open_shop("after")

    def _empty_redis(self) -> None:
        screen.step("6. what waits in Redis is moved; meanwhile an old worker is killed")
        following = self._shell.follow("run", "--follow", "--no-results", "--yes")
        try:
            self._kill_in_the_middle()
            time.sleep(QUIET_SECONDS)
            screen.step("7. the other one takes from Redis and sends to SQS, and is then stopped")
            self._fleet.restart_worker("old1", "draining")
            time.sleep(QUIET_SECONDS)
            self._fleet.workers["old1"].stop()
            following.stop()
        finally:
            following.kill()
        screen.step("8. what the killed one held, and the other one gave back, is moved")
        self._shell.migrate("run", "--take-held", "--no-results", "--yes")

    def _copy_and_verify(self) -> Mapping[str, bool]:
        screen.step("9. the shop closes, so that all can be counted; results are copied")
        self._fleet.close_shop()
        all_ran = self._wait_for_all()
        self._fleet.wait_for_customers()
        self._shell.migrate("run", "--only-results", "--yes")
        second = self._shell.migrate("run", "--yes", "--json")
        screen.step("10. both sides are compared")
        self._shell.migrate("verify")
        self._shell.migrate("status", "--watch", "3")
        return {
            "everything ended in time": all_ran,
            "a second run sends nothing": json.loads(second)["messages"]["sent"] == 0,
        }

    def _leave_redis(self) -> None:
        screen.step("11. the new side alone")
        for name in ("new1", "new2"):
            self._fleet.restart_worker(name, "aws")

    def _kill_in_the_middle(self) -> None:
        """Kill a worker while it runs something."""
        worker = self._fleet.workers[KILLED]
        self._wait_until(lambda: any(
            run.worker.startswith(KILLED) and run.ended is None
            for found in self._ledger.runs().values() for run in found
        ))  # fmt: skip
        at = time.monotonic()
        worker.kill()
        host = worker.log.partition(f"{KILLED}@")[2].split()[0]
        self._killed = verdict.Killed(worker=f"{KILLED}@{host}", at=at)

    def _wait_for_all(self) -> bool:
        return self._wait_until(lambda: not verdict.unfinished(self._orders, self._ledger.runs()))

    def _wait_until(self, claim: Callable[[], bool]) -> bool:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not claim():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.1)
        return True

    @property
    def _orders(self) -> list[Order]:
        return orders.read(self._ledger.lines())

    def _judge(self) -> Mapping[str, bool]:
        ordered, runs = self._orders, self._ledger.runs()
        lines = verdict.judged(ordered, runs, self._killed)
        screen.step("what came of it")
        screen.executions(lines)
        strangers = verdict.strangers(ordered, runs)
        answered = [line for line in self._ledger.lines() if line["event"] == "answered"]
        bodies = [each.body for each in ordered if each.body]
        wrong = wrong_answers(ordered, self._fleet.variables("aws"))
        answers = sum(len(each.answers) for each in ordered)
        later = sum(each.kind == FAR for each in ordered)
        left = self._left_in_redis()
        return {
            "every task ran, and none twice but for the killed worker's": all(
                line.good for line in lines.values()
            ),
            f"each of {len(bodies)} chord bodies was called once": all(
                len(runs.get(Execution(body), ())) == 1 for body in bodies
            ),
            f"nothing ran that nobody ordered{_shown(strangers)}": not strangers,
            f"each of {later} tasks for the day after tomorrow is in the schedule": (
                later == self._parked()
            ),
            f"each of {len(answered)} customers who waited got the right answer": all(
                line["right"] for line in answered
            ),
            f"each of {answers} results is in DynamoDB, and right{_shown(wrong)}": not wrong,
            f"Redis has no message left{_shown(left)}": not left,
        }

    def _parked(self) -> int:
        counts = self._shell.run("aws", "schedule", "counts", "--json")
        return int(json.loads(counts)["total"])

    def _left_in_redis(self) -> list[str]:
        found = [
            key.decode()
            for key in self._redis.scan_iter("shop:*")
            if self._redis.type(key) == b"list" or key == b"shop:unacked"
        ]
        self._redis.close()
        return found

    @cached_property
    def _redis(self) -> Any:
        return redis.Redis.from_url(self._fleet.redis_url)


def _shown(found: Sequence[object]) -> str:
    return f": {', '.join(map(str, found[:3]))}" if found else ""
