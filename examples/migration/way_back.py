"""A migration that is called off half way: everything goes back to Redis."""

import time
from collections.abc import Mapping

from examples.migration import findings, screen
from examples.migration.story import QUIET_SECONDS, RUSH_SECONDS, Story, wait_until


class WayBack(Story):
    """One migration of a shop that does not end."""

    def tell(self) -> Mapping[str, bool]:
        """Migrate half way and back; return what has to be true, and whether it is."""
        self.open_on_redis()
        self.look_and_provision()
        self.read_both_results()
        self.start_new_workers()
        screen.step("5. producers send to SQS, more than can be done")
        self.fleet.open_shop("after", pace_seconds=RUSH_SECONDS)
        screen.step("6. what waits in Redis is moved")
        self.shell.migrate("run", "--no-results", "--yes")
        time.sleep(QUIET_SECONDS)
        screen.step("back: producers send to Redis, and the new workers are stopped")
        self.fleet.open_shop("both")
        for name in ("new1", "new2"):
            self.fleet.workers[name].stop()
        moved = self._move_back()
        screen.step("the shop closes, so that all can be counted")
        all_ran = self.wait_for_all()
        self.shell.migrate("rollback", "--only-results", "--yes")
        # What waits for its day waits in the workers; now it waits in Redis.
        for name in ("old1", "old2"):
            self.fleet.restart_worker(name, "before")
        return {
            **findings.of_orders(self.ledger, self.killed, self.fleet.variables("before")),
            **moved,
            "everything ended in time": all_ran,
        }

    def _move_back(self) -> Mapping[str, bool]:
        screen.step("what waits on SQS, and in the schedule, goes back")
        # What SQS delays cannot be received before.
        is_empty = wait_until(lambda: self.shell.ended_with(0, "rollback", "--no-results", "--yes"))
        return {
            "the rollback leaves nothing": is_empty,
            "the schedule is empty": self.parked() == 0,
        }
