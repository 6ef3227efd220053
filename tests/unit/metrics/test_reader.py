from typing import Any

import pytest

from celery_aws.metrics import Sample, catalog
from celery_aws.metrics.end_rates import WINDOW_SECONDS, EndRates
from celery_aws.metrics.reader import STALE_INTERVALS, Look, Reader, Round
from celery_aws.metrics.snapshot import Snapshot
from celery_aws.testing.clock import FakeClock


class Thing:
    """Something to look at."""

    def __init__(self) -> None:
        self.looks = 0
        self.rest_seconds = 0.0
        self.error: Exception | None = None

    def look(self) -> Look:
        self.looks += 1
        if self.error is not None:
            raise self.error
        sample = Sample(catalog.REGISTERED_WORKERS, (), float(self.looks))
        return Look(samples=(sample,), rest_seconds=self.rest_seconds)


class Bench:
    def __init__(self, *names: str) -> None:
        self.clock = FakeClock()
        self.things = {name: Thing() for name in names}
        rounds = [
            Round(what=name, every_seconds=10.0 * number, look=self.things[name].look)
            for number, name in enumerate(names, 1)
        ]
        self.reader = Reader(rounds, self.clock)

    def values(self) -> dict[tuple[str, ...], Any]:
        return {(each.metric.name, *each.labels): each.value for each in self.reader.samples()}


WORKERS = ("celery_aws_registered_workers",)


def test_each_thing_is_looked_at_in_its_own_time() -> None:
    bench = Bench("ten", "twenty")
    for _ in range(4):
        bench.clock.advance(bench.reader.turn())
    assert {name: each.looks for name, each in bench.things.items()} == {"ten": 4, "twenty": 2}


def test_asking_it_looks_at_nothing() -> None:
    bench = Bench("ten")
    assert bench.values() == {("celery_aws_exporter_reads_failed_total", "ten"): 0}
    assert bench.things["ten"].looks == 0


def test_what_cannot_be_looked_at_is_told_for_a_while_and_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench("ten", "twenty")
    bench.reader.turn()
    assert bench.values()[WORKERS] == 1
    bench.things["ten"].error = bench.things["twenty"].error = LookupError("gone")
    for _ in range(STALE_INTERVALS):
        bench.clock.advance(10)
        bench.reader.turn()
    assert bench.values()[WORKERS] == 1
    bench.clock.advance(60)
    bench.reader.turn()
    assert WORKERS not in bench.values()
    assert bench.values()["celery_aws_exporter_reads_failed_total", "ten"] == 4
    # The first, the second and the fourth.
    assert caplog.text.count("ten cannot be looked at now: gone") == 3


def test_a_look_may_want_a_longer_rest() -> None:
    bench = Bench("ten")
    bench.things["ten"].rest_seconds = 600
    assert bench.reader.turn() == 600
    bench.clock.advance(600 * STALE_INTERVALS)
    assert bench.values()[WORKERS] == 1


def test_it_runs_until_it_is_stopped() -> None:
    bench = Bench("ten")
    thing = bench.things["ten"]

    def look() -> Look:
        if thing.looks == 5:
            reader.stop(0)
        return thing.look()

    reader = Reader([Round(what="ten", every_seconds=10, look=look)], bench.clock)
    reader.run()
    assert thing.looks == 6
    assert bench.clock.sleeps == [10] * 5


def test_a_rate_is_of_the_last_minutes() -> None:
    clock = FakeClock()
    rates = EndRates(clock)
    assert rates.a_second("celery") == 0
    clock.advance(100)
    for _ in range(50):
        rates.note("celery")
    assert rates.a_second("celery") == 0.5
    clock.advance(WINDOW_SECONDS - 100)
    assert rates.a_second("celery") == pytest.approx(50 / WINDOW_SECONDS)
    clock.advance(120)
    assert rates.a_second("celery") == 0


def test_a_snapshot_is_empty_rather_than_old_when_its_source_fails() -> None:
    class Failing:
        def __init__(self) -> None:
            self.asked = 0

        def samples(self) -> list[Sample]:
            self.asked += 1
            if self.asked == 3:
                snapshot.stop(0)
                raise LookupError("a bug")
            seen.append(list(snapshot.samples()))
            return [Sample(catalog.REGISTERED_WORKERS, (), float(self.asked))]

    seen: list[list[Sample]] = []
    snapshot = Snapshot(Failing(), clock=FakeClock())
    snapshot.run()
    assert seen == [[], [Sample(catalog.REGISTERED_WORKERS, (), 1.0)]]
    assert list(snapshot.samples()) == []
