"""What a fleet may cost that has nothing to do: DESIGN's budget, and nothing for events."""

import pytest
from bench.fleet_run import Scenario, meter

HOUR = 3_600.0

#: Requests of an idle worker in 30 days, at most: its queue, remote control, moving and reaping.
IDLE_REQUESTS = 360_000


def test_an_idle_worker_stays_within_its_budget() -> None:
    metered = meter(Scenario(workers=1, seconds=4 * HOUR))
    assert metered.a_month(metered.total).requests <= IDLE_REQUESTS


def test_nobody_who_monitors_is_no_request_for_events() -> None:
    metered = meter(Scenario(workers=5, tasks_per_second=1.0, seconds=300.0))
    worker = metered.bills["worker"].operations
    assert {"SendMessage", "Query"}.isdisjoint(name for name, count in worker.items() if count)


@pytest.mark.parametrize("workers", [2, 3])
def test_without_an_inbox_a_worker_asks_now_and_then_who_monitors(workers: int) -> None:
    metered = meter(Scenario(workers=workers, control=False, seconds=HOUR))
    queries = metered.a_minute(metered.bills["worker"]).operations["Query"] / (workers - 1)
    # As often as a heartbeat is worth a request: every 15 s.
    assert 0 < queries <= 4.0
