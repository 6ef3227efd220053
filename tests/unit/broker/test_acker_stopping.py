import threading

from celery_aws.broker.acker import Acker
from celery_aws.broker.message import Receipt
from tests.unit.broker.acking import LONG_SECONDS, stop
from tests.unit.broker.conftest import PATIENCE_SECONDS, Bench


class SlowAcker(Acker):
    """Asks SQS only when it is let to."""

    def __init__(self, release: threading.Event, bench: Bench) -> None:
        super().__init__(linger_seconds=0, clock=bench.clock, leases=bench.leases)
        self.asked = threading.Event()
        self._release = release

    def _settle(self, work: object) -> None:
        self.asked.set()
        assert self._release.wait(PATIENCE_SECONDS)
        super()._settle(work)  # type: ignore[arg-type]


def slow_acker(bench: Bench, release: threading.Event) -> SlowAcker:
    return SlowAcker(release, bench)


def test_flushing_nothing_starts_no_thread(bench: Bench) -> None:
    assert bench.acker.flush(0)
    assert not bench.acker.alive


def test_a_flush_that_runs_out_of_time_says_so(bench: Bench) -> None:
    release = threading.Event()
    acker = slow_acker(bench, release)

    acker.delete(bench.receive(1)[0])

    assert not acker.flush(0.01)
    release.set()
    stop(acker)


def test_a_flush_does_not_wait_for_what_comes_after_it(bench: Bench) -> None:
    """Else a busy connection would never be flushed."""
    release = threading.Event()
    acker = slow_acker(bench, release)
    first, second = bench.receive(2)
    flushed = threading.Event()

    def flush() -> None:
        if acker.flush(PATIENCE_SECONDS):
            flushed.set()

    acker.delete(first)
    flushing = threading.Thread(target=flush)
    flushing.start()
    assert acker.asked.wait(PATIENCE_SECONDS)
    acker.asked.clear()
    acker.delete(second)
    release.set()
    release.clear()

    assert acker.asked.wait(PATIENCE_SECONDS)  # the second is under way, and stays there
    assert flushed.wait(PATIENCE_SECONDS)
    release.set()
    flushing.join()
    stop(acker)


def test_stopping_settles_what_is_left(bench: Bench) -> None:
    acker = bench.new_acker(linger_seconds=LONG_SECONDS)
    for receipt in bench.receive(3):
        acker.delete(receipt)

    stop(acker)

    assert bench.bodies() == []
    assert not acker.alive


def test_what_comes_after_stopping_is_settled_in_the_callers_thread(bench: Bench) -> None:
    receipt = bench.receive(1)[0]
    stop(bench.acker)

    bench.acker.delete(receipt)

    assert bench.bodies() == []
    assert not bench.acker.alive


def test_no_settlement_falls_between_submitting_and_stopping(bench: Bench) -> None:
    """Whatever the order in which the threads come, each message is deleted."""
    for _ in range(50):
        acker = bench.new_acker()
        receipts = bench.receive(4)
        barrier = threading.Barrier(3)

        def settle(mine: list[Receipt], acker: Acker, barrier: threading.Barrier) -> None:
            barrier.wait()
            for receipt in mine:
                acker.delete(receipt)

        threads = [
            threading.Thread(target=settle, args=(mine, acker, barrier))
            for mine in (receipts[:2], receipts[2:])
        ]
        for thread in threads:
            thread.start()
        barrier.wait()
        stop(acker)
        for thread in threads:
            thread.join(PATIENCE_SECONDS)

        assert bench.bodies() == []


def test_a_settlement_at_the_threads_last_look_is_not_lost(bench: Bench) -> None:
    """The thread has found nothing and is about to return; it is still alive."""
    first, second = bench.receive(2)
    last_look, submitted = threading.Event(), threading.Event()

    class Returning(Acker):
        def run(self) -> None:
            super().run()
            last_look.set()
            submitted.wait(PATIENCE_SECONDS)

    acker = Returning(linger_seconds=0, clock=bench.clock, leases=bench.leases)
    acker.delete(first)
    acker.stop(0)
    assert last_look.wait(PATIENCE_SECONDS)
    assert acker.alive

    acker.delete(second)
    submitted.set()
    stop(acker)

    assert bench.bodies() == []
