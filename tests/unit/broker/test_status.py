from datetime import timedelta

import celery_aws
from celery_aws.broker.leases import Leases
from celery_aws.broker.receiver import UnlimitedCredits
from celery_aws.broker.status import DeliveryRecord, delivery_record
from celery_aws.names import AmqpQueue
from celery_aws.testing.clock import START
from tests.unit.broker.conftest import PATIENCE_SECONDS, Bench


def test_it_counts() -> None:
    record = DeliveryRecord()
    record.count("deleted", 3)
    record.count("deleted")

    assert record.status().deleted == 4
    assert record.status().received == 0


def test_it_tells_of_every_connections_leases(bench: Bench) -> None:
    record = DeliveryRecord()
    for count in (1, 2):
        leases = Leases(timeout_seconds=30, clock=bench.clock, record=record)
        leases.stop(0)
        leases.hold(bench.receive(count), asked_at=0, answered_at=0)
        bench.leases = leases  # kept alive
        if count == 1:
            assert record.status().held == 1
            first = leases

    assert record.status().held == 3
    assert first.held == 1


def test_of_several_consumers_of_a_queue_the_one_that_waits_longest_is_told(bench: Bench) -> None:
    record = DeliveryRecord()
    old, new = bench.new_receiver(UnlimitedCredits()), bench.new_receiver(UnlimitedCredits())
    other = bench.new_receiver(UnlimitedCredits(), AmqpQueue("other"))
    for receiver in (old, new, other):
        record.add_receiver(receiver)
    old.last_poll, new.last_poll = START, START + timedelta(seconds=5)

    assert record.status().last_polls == {"celery": START, "other": None}


def test_one_that_never_had_an_answer_waits_longest(bench: Bench) -> None:
    record = DeliveryRecord()
    polled, silent = bench.new_receiver(UnlimitedCredits()), bench.new_receiver(UnlimitedCredits())
    polled.last_poll = START
    record.add_receiver(polled)
    record.add_receiver(silent)

    assert record.status().last_polls == {"celery": None}


def test_a_cancelled_consumer_is_told_of_no_more(bench: Bench) -> None:
    record = DeliveryRecord()
    receiver = bench.new_receiver(UnlimitedCredits())
    record.add_receiver(receiver)
    receiver.stop(0)

    assert record.status().last_polls == {}


def test_the_processs_own_is_public(bench: Bench) -> None:
    before = celery_aws.delivery_status()
    bench.send("1")
    receiver = bench.new_receiver(UnlimitedCredits())
    receiver.start()
    assert bench.buffer.wait(PATIENCE_SECONDS)

    now = celery_aws.delivery_status()

    assert now.received == before.received + 1
    assert now.last_polls["celery"] == receiver.last_poll
    assert delivery_record() is delivery_record()


def test_it_tells_what_each_receiver_does(bench: Bench) -> None:
    record = DeliveryRecord()
    receivers = [bench.new_receiver(UnlimitedCredits()) for _ in range(2)]
    for receiver in receivers:
        record.add_receiver(receiver)
    assert record.status().receivers == tuple(each.record.status() for each in receivers)
    receivers[0].stop(0)
    assert len(record.status().receivers) == 1


def test_it_tells_of_a_workers_loop() -> None:
    record = DeliveryRecord()
    assert (record.status().loop_turned_at, record.status().loop_connected) == (None, False)
    record.loop_turned(7.0)
    assert (record.status().loop_turned_at, record.status().loop_connected) == (7.0, True)
    record.loop_lost()
    assert (record.status().loop_turned_at, record.status().loop_connected) == (7.0, False)


def test_who_reads_waits_for_nobody(bench: Bench) -> None:
    record = DeliveryRecord()
    record.add_receiver(bench.new_receiver(UnlimitedCredits()))
    record.count("deleted")
    with record._lock:  # of a thread that hangs
        assert record.status().deleted == 1
