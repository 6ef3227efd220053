import pytest

from celery_aws.core.waiting import Patience, parents_wait_seconds

FOREVER = Patience(interval_seconds=0.5, timeout_seconds=None)


def looks(until_seconds: float, *, outstanding: int, patience: Patience = FOREVER) -> list[float]:
    """When a caller looks, up to the first look at or after ``until_seconds``."""
    times = [0.0]
    while times[-1] < until_seconds:
        wait = patience.wait_seconds(times[-1], outstanding=outstanding)
        if wait is None:
            break
        times.append(times[-1] + wait)
    return times


@pytest.mark.parametrize("task_seconds", [0.01, 0.05, 0.1, 0.2, 0.3])
def test_a_fast_task_is_seen_within_30_ms_at_the_median(task_seconds: float) -> None:
    late = [
        looks(end, outstanding=1)[-1] - end
        for end in (task_seconds * percent / 100 for percent in range(80, 121))
    ]
    assert sorted(late)[len(late) // 2] <= 0.03


@pytest.mark.parametrize(
    ("task_seconds", "most"), [(0.05, 6), (0.1, 11), (0.3, 19), (1, 29), (10, 50), (600, 250)]
)
def test_the_number_of_looks_at_one_task(task_seconds: float, most: int) -> None:
    assert len(looks(task_seconds, outstanding=1)) <= most


def test_a_hundred_tasks_of_three_seconds_are_looked_at_ten_times() -> None:
    assert len(looks(3, outstanding=100)) <= 10


def test_more_results_are_looked_at_less_often() -> None:
    counts = [len(looks(1, outstanding=outstanding)) for outstanding in (1, 3, 10, 30, 100, 1000)]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > counts[-1]


@pytest.mark.parametrize("outstanding", [1, 10, 100, 1000])
def test_the_interval_is_kept_to_in_the_first_twenty_seconds(outstanding: int) -> None:
    for interval in (0.005, 0.01, 0.5, 3):
        patience = Patience(interval_seconds=interval, timeout_seconds=None)
        for elapsed in (0, 0.1, 1, 5, 20):
            wait = patience.wait_seconds(elapsed, outstanding=outstanding)
            assert wait is not None
            assert wait <= interval


def test_a_slow_task_may_be_noticed_late_by_a_fortieth_of_its_time() -> None:
    for elapsed in (30, 100, 200, 1000, 10_000):
        wait = FOREVER.wait_seconds(elapsed, outstanding=1)
        assert wait == pytest.approx(min(5, elapsed / 40))


def test_the_timeout_is_never_passed() -> None:
    patience = Patience(interval_seconds=0.5, timeout_seconds=1.3)
    times = looks(99, outstanding=1, patience=patience)
    assert times[-1] == pytest.approx(1.3)
    assert patience.wait_seconds(1.3, outstanding=1) is None


def test_no_time_at_all_is_up_at_once() -> None:
    patience = Patience(interval_seconds=0.5, timeout_seconds=0)
    assert patience.wait_seconds(0, outstanding=1) is None


@pytest.mark.parametrize(
    ("elapsed", "unfinished", "wait"),
    [(0, 1, 0.01), (0, 50, 0.108), (0.5, 50, 0.5), (9, 50, 1), (9, 5000, 10.008), (99, 5000, 50)],
)
def test_parents_are_left_alone_for_longer(elapsed: float, unfinished: int, wait: float) -> None:
    assert parents_wait_seconds(elapsed, unfinished=unfinished) == pytest.approx(wait)
