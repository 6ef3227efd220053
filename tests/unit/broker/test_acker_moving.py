import pytest

from celery_aws.broker.errands import Disposal
from celery_aws.broker.message import Receipt
from celery_aws.errors import ThrottledError
from tests.unit.broker.acking import DELETE
from tests.unit.broker.conftest import PATIENCE_SECONDS, Bench


class Errand:
    """Says what it is told to, in this order; the last word again and again."""

    def __init__(self, *words: Disposal | ThrottledError) -> None:
        self.words = list(words)
        self.runs = 0
        self.kept: list[Receipt] = []

    def __call__(self, receipt: Receipt) -> Disposal:
        self.runs += 1
        word = self.words.pop(0) if len(self.words) > 1 else self.words[0]
        if isinstance(word, ThrottledError):
            raise word
        return word


def leased(bench: Bench) -> Receipt:
    (receipt,) = bench.receive(1)
    bench.leases.hold([receipt], asked_at=0, answered_at=0)
    return receipt


def move(bench: Bench, errand: Errand, receipt: Receipt) -> None:
    bench.acker.move(receipt, errand, on_kept=errand.kept.append)
    assert bench.acker.flush(PATIENCE_SECONDS)


def test_what_is_elsewhere_is_deleted(bench: Bench) -> None:
    errand = Errand(Disposal.MOVED)

    move(bench, errand, leased(bench))

    assert (bench.bodies(), bench.leases.held, errand.kept) == ([], 0, [])


def test_its_errand_is_tried_until_it_succeeds_and_no_more(bench: Bench) -> None:
    errand = Errand(*[ThrottledError("slow down")] * 3, Disposal.MOVED)
    bench.sqs.faults.fail(DELETE, ThrottledError("slow down"), times=2)

    move(bench, errand, leased(bench))

    assert errand.runs == 4
    assert bench.bodies() == []


def test_what_is_kept_is_as_it_was_before(bench: Bench) -> None:
    errand, receipt = Errand(Disposal.KEPT), leased(bench)

    move(bench, errand, receipt)

    assert errand.kept == [receipt]
    assert bench.leases.valid(receipt)
    assert bench.bodies() == ["0"]
    bench.acker.delete(receipt)
    assert bench.acker.flush(PATIENCE_SECONDS)
    assert bench.bodies() == []


def test_the_lease_of_what_is_kept_can_be_lost(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    move(bench, Errand(Disposal.KEPT), leased(bench))
    bench.sqs.delete_queue(bench.address().url)

    bench.clock.advance(100)
    bench.leases.extend_due()

    assert "the lease of a message was lost" in caplog.text


def test_what_comes_again_while_it_is_moved_is_held_by_nobody(bench: Bench) -> None:
    def takes_long(_: Receipt) -> Disposal:
        bench.clock.advance(30)
        bench.leases.hold(bench.receive_again(1), asked_at=30, answered_at=30)
        return Disposal.MOVED

    bench.acker.move(leased(bench), takes_long, on_kept=lambda _: None)
    assert bench.acker.flush(PATIENCE_SECONDS)

    assert bench.leases.held == 0


def test_what_is_kept_and_comes_again_is_worked_on_and_not_deleted(bench: Bench) -> None:
    receipt = leased(bench)
    move(bench, Errand(Disposal.KEPT), receipt)

    bench.clock.advance(30)
    taken = bench.leases.hold(bench.receive_again(1), asked_at=30, answered_at=30)

    assert (len(taken.known), taken.finished) == (1, [])


def test_what_is_kept_may_be_given_back_at_once(bench: Bench) -> None:
    bench.acker.move(leased(bench), Errand(Disposal.KEPT), on_kept=bench.acker.give_back)

    assert bench.acker.stop(PATIENCE_SECONDS)

    assert bench.visible() == ["0"]


@pytest.mark.parametrize("disposal", [Disposal.MOVED, Disposal.KEPT])
def test_it_is_done_by_a_connection_that_closes(bench: Bench, disposal: Disposal) -> None:
    errand = Errand(ThrottledError("slow down"), disposal)
    bench.acker.move(leased(bench), errand, on_kept=errand.kept.append)

    assert bench.acker.stop(PATIENCE_SECONDS)

    assert errand.runs == 2
    assert bool(errand.kept) is (disposal is Disposal.KEPT)
