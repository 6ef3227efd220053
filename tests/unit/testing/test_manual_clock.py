from celery_aws.testing.manual_clock import START, ManualClock


def test_it_moves_only_when_told() -> None:
    clock = ManualClock()
    assert (clock.now(), clock.monotonic()) == (START, 0.0)
    clock.advance(2.5)
    clock.sleep(1)
    assert (clock.now() - START).total_seconds() == clock.monotonic() == 3.5
    assert clock.sleeps == [1]
