"""What must be shown."""

import pytest
from bench.speed.bounds import BOUNDS, Bound, checked
from bench.speed.figures import Runs, Spread, worker_cpu

from tests.unit.bench.speed.runs import measured


def test_only_what_was_measured_is_checked() -> None:
    runs = Runs([measured("ours", tasks_per_second=150.0), measured("stock", tasks_per_second=10)])
    found = {bound.what: (spread.median, met) for bound, spread, met in checked(runs)}
    assert found == {
        "tasks/s, prefork2 at 8 ms: times stock": (15.0, True),
        "group(1000) published/s at 8 ms: times stock": (1.0, False),
        "published one by one/s at 8 ms: times stock": (1.0, True),
        "CPU s of the worker for 1,000 tasks, prefork2 at 8 ms": (2.0, True),
        "ms from apply_async() to its result, prefork2 at 8 ms, p50": (40.0, True),
    }


@pytest.mark.parametrize(("value", "met"), [(2.2, True), (2.204, True), (2.21, False)])
def test_a_bound_is_met_as_it_is_printed(value: float, met: bool) -> None:
    bound = Bound(what="", figure=worker_cpu, pool="prefork2", latency_ms=8, most=2.2)
    assert bound.met(Spread(value, value, value)) is met


def test_each_bound_has_one_end() -> None:
    assert all((bound.least is None) != (bound.most is None) for bound in BOUNDS)
