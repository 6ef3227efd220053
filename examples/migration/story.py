"""The migration as docs/how-to/migrate.md tells it, step by step, and what it came to."""

import json
import time
from collections.abc import Callable, Mapping, Sequence

from examples.migration import findings, orders, screen, verdict
from examples.migration.commands import Shell
from examples.migration.fleet import Fleet
from examples.migration.ledger import Ledger, Run

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
        self.fleet = fleet
        self.ledger = Ledger(fleet.ledger)
        self.shell = Shell(fleet)
        self.killed = verdict.Killed(worker="", at=0.0)

    def tell(self) -> Mapping[str, bool]:
        """Migrate; return what has to be true, and whether it is."""
        self.open_on_redis()
        self.look_and_provision()
        self.read_both_results()
        self.start_new_workers()
        screen.step("5. producers send to SQS")
        self.fleet.open_shop("after")
        self._empty_redis()
        verified = self._copy_and_verify()
        screen.step("11. the new side alone")
        for name in ("new1", "new2"):
            self.fleet.restart_worker(name, "aws")
        found = findings.of_orders(self.ledger, self.killed, self.fleet.variables("aws"))
        left = findings.left_in_redis(self.fleet.redis_url)
        return {
            **found,
            **verified,
            "each task for the day after tomorrow is in the schedule": (
                findings.later(self.ledger) == self.parked()
            ),
            f"Redis has no message left{findings.shown(left)}": not left,
        }

    def open_on_redis(self) -> None:
        """Let the shop be as it ever was."""
        screen.step("a shop on Redis: two workers, and customers who order")
        for name in ("old1", "old2"):
            self.fleet.start_worker(name, "before")
        self.fleet.open_shop("before")
        time.sleep(QUIET_SECONDS)

    def look_and_provision(self) -> None:
        """Look at what is there, and make what will be needed."""
        screen.step("1. what will be moved, and what blocks")
        self.shell.migrate("plan", codes=FINDINGS)
        screen.step("2. queues and tables")
        self.shell.run("aws", "provision", "apply", "--yes")
        self.shell.run("aws", "doctor", codes=FINDINGS)

    def read_both_results(self) -> None:
        """Let everybody read and write both result backends."""
        screen.step("3. results on both sides: workers, then producers, are restarted")
        for name in ("old1", "old2"):
            self.fleet.restart_worker(name, "both")
        # More than the workers can do, so that much waits.
        self.fleet.open_shop("both", pace_seconds=RUSH_SECONDS)
        time.sleep(QUIET_SECONDS)

    def start_new_workers(self) -> None:
        """Let workers wait for messages on SQS."""
        screen.step("4. new workers, on SQS")
        for name in ("new1", "new2"):
            self.fleet.start_worker(name, "after")
        self.shell.migrate("status", codes=FINDINGS)

    def parked(self) -> int:
        """Return how many tasks are in the schedule."""
        counts = self.shell.run("aws", "schedule", "counts", "--json")
        return int(json.loads(counts)["total"])

    def wait_for_all(self) -> bool:
        """Let the shop close, and wait until all that was ordered has run; True if it has."""
        self.fleet.close_shop()
        ordered = orders.read(self.ledger.lines())
        ended = wait_until(lambda: not verdict.unfinished(ordered, self.ledger.runs()))
        self.fleet.wait_for_customers()
        return ended

    def _empty_redis(self) -> None:
        screen.step("6. what waits in Redis is moved; meanwhile an old worker is killed")
        following = self.shell.follow("run", "--follow", "--no-results", "--yes")
        try:
            self._kill_in_the_middle()
            time.sleep(QUIET_SECONDS)
            screen.step("7. the other one takes from Redis and sends to SQS, and is then stopped")
            self.fleet.restart_worker("old1", "draining")
            time.sleep(QUIET_SECONDS)
            self.fleet.workers["old1"].stop()
            following.stop()
        finally:
            following.kill()
        screen.step("8. what the killed one held, and the other one gave back, is moved")
        self.shell.migrate("run", "--take-held", "--no-results", "--yes")

    def _copy_and_verify(self) -> Mapping[str, bool]:
        screen.step("9. the shop closes, so that all can be counted; results are copied")
        all_ran = self.wait_for_all()
        self.shell.migrate("run", "--only-results", "--yes")
        second = self.shell.migrate("run", "--yes", "--json")
        screen.step("10. both sides are compared")
        self.shell.migrate("verify")
        self.shell.migrate("status", "--watch", "3", "--all-results")
        return {
            "everything ended in time": all_ran,
            "a second run sends nothing": json.loads(second)["messages"]["sent"] == 0,
        }

    def _kill_in_the_middle(self) -> None:
        """Kill a worker while it runs something."""
        worker = self.fleet.workers[KILLED]
        wait_until(lambda: any(map(_is_running_there, self.ledger.runs().values())))
        at = time.monotonic()
        worker.kill()
        host = worker.log.partition(f"{KILLED}@")[2].split()[0]
        self.killed = verdict.Killed(worker=f"{KILLED}@{host}", at=at)


def wait_until(claim: Callable[[], bool]) -> bool:
    """Wait until something is true; False if it is not in time."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not claim():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def _is_running_there(runs: Sequence[Run]) -> bool:
    return any(run.worker.startswith(KILLED) and run.ended is None for run in runs)
