from dataclasses import replace

from celery_aws.broker.pending_settlements import PendingSettlements
from celery_aws.broker.settlement import Settlement
from celery_aws.names import AmqpQueue
from tests.unit.broker.conftest import QUEUE, Bench

OTHER = AmqpQueue("other")


def settlements(bench: Bench, count: int, *, queue: AmqpQueue = QUEUE) -> list[Settlement]:
    return [Settlement(receipt=receipt) for receipt in bench.receive(count, queue=queue)]


def pending_of(*added: Settlement) -> PendingSettlements:
    pending = PendingSettlements()
    for number, settlement in enumerate(added):
        pending.add(settlement, float(number))
    return pending


def test_the_first_is_worth_a_look_and_every_tenth(bench: Bench) -> None:
    pending = PendingSettlements()

    worth_it = [pending.add(each, 0.0) for each in settlements(bench, 20)]

    assert [number for number, yes in enumerate(worth_it, 1) if yes] == [1, 10, 20]


def test_everything_can_be_taken(bench: Bench) -> None:
    mine = settlements(bench, 12)
    pending = pending_of(*mine)

    assert pending.take_all() == mine
    assert (len(pending), pending.full) == (0, False)
    assert pending.add(mine[0], 0.0), "it is the first again"


def test_what_fills_no_request_goes_on_waiting(bench: Bench) -> None:
    mine = settlements(bench, 12)
    pending = pending_of(*mine)
    assert pending.full

    assert pending.take_full() == mine[:10]

    assert (len(pending), pending.full, pending.since) == (2, False, 10.0)
    assert pending.take_full() == []
    assert pending.take_all() == mine[10:]


def test_only_ten_of_one_queue_fill_a_request(bench: Bench) -> None:
    mine, others = settlements(bench, 9), settlements(bench, 9, queue=OTHER)
    pending = pending_of(*mine, *others)
    assert not pending.full

    (last,) = settlements(bench, 1, queue=OTHER)
    assert pending.add(last, 18.0)

    assert pending.full
    assert pending.take_full() == [*others, last]
    assert pending.take_all() == mine


def test_a_delete_and_a_give_back_share_no_request(bench: Bench) -> None:
    mine = settlements(bench, 10)
    pending = pending_of(*mine[:9], replace(mine[9], visible_in_seconds=0))

    assert not pending.full
    assert len(pending) == 10
