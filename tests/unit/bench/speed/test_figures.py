"""Medians, ranges, ratios."""

import pytest
from bench.speed import figures
from bench.speed.figures import Runs, Spread

from tests.unit.bench.speed.runs import measured


def test_a_ratio_is_taken_within_each_round() -> None:
    rates = {"ours": (100.0, 10.0, 60.0), "stock": (10.0, 5.0, 10.0)}
    runs = Runs(
        [
            measured(side, number, tasks_per_second=rate)
            for side, each in rates.items()
            for number, rate in enumerate(each)
        ]
    )
    ratio = runs.ratio("ours", "stock", "prefork2", 8, figures.tasks_per_second)
    assert ratio == Spread(6.0, 2.0, 10.0)
    spread = runs.spread("ours", "prefork2", 8, figures.tasks_per_second)
    assert spread == Spread(60.0, 10.0, 100.0)
    assert runs.rounds() == 3


def test_what_was_not_measured_is_none() -> None:
    runs = Runs([measured("ours", single=None, round_trips_ms=())])
    assert runs.spread("ours", "prefork2", 8, figures.single_per_second) is None
    assert runs.spread("ours", "prefork2", 8, figures.p50) is None
    assert runs.spread("ours", "threads16", 8, figures.tasks_per_second) is None
    assert runs.ratio("ours", "stock", "prefork2", 8, figures.tasks_per_second) is None


def test_percentiles_of_round_trips() -> None:
    run = measured("ours", round_trips_ms=tuple(float(n) for n in range(101)))
    assert figures.p50(run) == 50
    assert figures.p95(run) == pytest.approx(95)
