import threading

import pytest

from celery_aws.broker.message import SqsMessage
from celery_aws.broker.qos import PollTicket, SqsQoS
from celery_aws.core.lingering import WorkInHand
from celery_aws.core.polling import Poll
from celery_aws.core.rejection import Fate, Rejection
from celery_aws.names import AmqpQueue, QueueName
from tests.unit.broker.conftest import PATIENCE_SECONDS, Bench, message_of, take


def reserve(qos: SqsQoS, ticket: PollTicket | None = None) -> Poll | None:
    mine = ticket if ticket is not None else PollTicket()
    return qos.reserve(mine, wait_time_seconds=20, rest_seconds=0)


class Reserving:
    """A thread that stands in line for credits."""

    def __init__(self, qos: SqsQoS, ticket: PollTicket | None = None) -> None:
        self.ticket = ticket if ticket is not None else PollTicket()
        self._qos = qos
        self._polls: list[Poll | None] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self._polls.append(reserve(self._qos, self.ticket))

    def result(self) -> Poll | None:
        self._thread.join(PATIENCE_SECONDS)
        return self._polls[0]


def hold(bench: Bench, qos: SqsQoS, count: int) -> list[str]:
    """Receive and hold messages, as a synchronous get does."""
    tags = []
    for number, receipt in enumerate(bench.receive(count)):
        tags.append(f"tag-{number}")
        qos.append(message_of(receipt, tags[-1]), tags[-1])
    return tags


def test_a_poll_reserves_its_credits(bench: Bench) -> None:
    qos = bench.new_qos(prefetch_count=4)

    poll = reserve(qos)

    assert poll is not None
    assert poll.max_messages == 3
    assert (qos.can_consume(), qos.can_consume_max_estimate()) == (True, 1)


def test_what_did_not_come_is_free_again(bench: Bench) -> None:
    qos = bench.new_qos(prefetch_count=4)
    reserve(qos)

    qos.release(2)

    assert qos.can_consume_max_estimate() == 3


def test_without_a_limit_any_number_is_free(bench: Bench) -> None:
    assert bench.new_qos().can_consume_max_estimate() is None


def test_acknowledging_frees_the_credit_and_deletes(bench: Bench) -> None:
    qos = bench.new_qos(prefetch_count=2)
    first, _ = hold(bench, qos, 2)

    qos.ack(first)

    assert qos.can_consume_max_estimate() == 1
    assert bench.acker.flush(PATIENCE_SECONDS)
    assert bench.bodies() == ["1"]


def test_acknowledging_twice_is_once(bench: Bench) -> None:
    qos = bench.new_qos(prefetch_count=2)
    (tag,) = hold(bench, qos, 1)

    qos.ack(tag)
    qos.ack(tag)
    qos.reject(tag, requeue=True)

    assert qos.can_consume_max_estimate() == 2


@pytest.mark.parametrize(("requeue", "visible"), [(True, ["0"]), (False, [])])
def test_rejecting_gives_back_or_deletes(bench: Bench, requeue: bool, visible: list[str]) -> None:
    qos = bench.new_qos(prefetch_count=1)
    (tag,) = hold(bench, qos, 1)

    qos.reject(tag, requeue=requeue)

    assert bench.acker.flush(PATIENCE_SECONDS)
    assert bench.visible() == bench.bodies() == visible
    assert qos.can_consume()


@pytest.mark.parametrize(
    "rejection",
    [Rejection(fate=Fate.GIVE_BACK, visible_in_seconds=60), Rejection(fate=Fate.LEAVE)],
)
def test_giving_back_for_later(bench: Bench, rejection: Rejection) -> None:
    qos = bench.new_qos(prefetch_count=1)
    (tag,) = hold(bench, qos, 1)

    qos.settle(tag, rejection)

    assert bench.acker.flush(PATIENCE_SECONDS)
    assert (bench.visible(), bench.bodies()) == ([], ["0"])
    assert qos.can_consume()


def test_restoring_gives_back_everything_at_once(bench: Bench) -> None:
    bench.acker = bench.new_acker(linger_seconds=3_600)
    qos = bench.new_qos(prefetch_count=3)
    hold(bench, qos, 3)

    qos.restore_unacked_once()
    qos.restore_unacked_once()

    assert bench.acker.flush(PATIENCE_SECONDS)
    assert bench.visible() == ["0", "1", "2"]
    assert bench.sqs.count("ChangeMessageVisibilityBatch") == 1
    assert qos.can_consume_max_estimate() == 3


def test_a_held_message_is_found_by_its_tag(bench: Bench) -> None:
    qos = bench.new_qos()
    (tag,) = hold(bench, qos, 1)

    assert qos.get(tag).delivery_tag == tag


@pytest.mark.parametrize("how", ["ack", "limit", "release"])
def test_a_credit_that_comes_free_is_taken_at_once(bench: Bench, how: str) -> None:
    qos = bench.new_qos(prefetch_count=2)
    (tag,) = hold(bench, qos, 1)
    reserve(qos)
    waiting = Reserving(qos)

    if how == "ack":
        qos.ack(tag)
    elif how == "limit":
        qos.prefetch_count = 3
    else:
        qos.release(1)

    poll = waiting.result()
    assert poll is not None
    assert poll.max_messages == 1


def test_a_withdrawn_ticket_gets_nothing_now_nor_later(bench: Bench) -> None:
    qos = bench.new_qos(prefetch_count=1)
    reserve(qos)
    waiting = Reserving(qos)

    qos.withdraw(waiting.ticket)

    assert waiting.result() is None
    qos.release(1)
    assert reserve(qos, waiting.ticket) is None
    assert qos.can_consume_max_estimate() == 1


def test_one_who_leaves_the_line_does_not_hold_up_the_next(bench: Bench) -> None:
    qos = bench.new_qos(prefetch_count=1)
    reserve(qos)
    first = Reserving(qos)
    second = Reserving(qos)

    qos.withdraw(first.ticket)
    assert first.result() is None
    qos.release(1)

    assert second.result() is not None


def test_can_consume_replaced_on_the_instance_counts(bench: Bench) -> None:
    """Celery does this to stop prefetching, and tells nobody when its answer changes."""
    qos = bench.new_qos(prefetch_count=5)
    allowed, asked = threading.Event(), threading.Event()

    def can_consume() -> bool:
        asked.set()
        return allowed.is_set()

    qos.can_consume = can_consume  # type: ignore[method-assign]
    waiting = Reserving(qos)
    assert asked.wait(PATIENCE_SECONDS)
    assert qos.can_consume_max_estimate() == 5

    allowed.set()

    assert waiting.result() is not None


def test_nobody_in_line_is_passed_over(bench: Bench) -> None:
    """Each of the greedy ones goes to the end of the line when it comes again."""
    qos = bench.new_qos(prefetch_count=1)
    done = threading.Event()

    def be_greedy() -> None:
        while not done.is_set():
            poll = reserve(qos)
            assert poll is not None
            qos.release(poll.max_messages)

    greedy = [threading.Thread(target=be_greedy, daemon=True) for _ in range(3)]
    for thread in greedy:
        thread.start()

    for _ in range(50):
        assert Reserving(qos).result() is not None
        qos.release(1)

    done.set()
    for thread in greedy:
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive()


@pytest.mark.parametrize("lingers", [False, True])
@pytest.mark.parametrize("prefetch_count", [1, 3, 12])
def test_the_prefetch_count_holds_for_any_number_of_queues(
    bench: Bench, prefetch_count: int, lingers: bool
) -> None:
    queues = [AmqpQueue(f"queue-{number}") for number in range(5)]
    for queue in queues:
        bench.send(*[queue] * 8, queue=queue)

    def work_in_hand() -> WorkInHand | None:
        work = WorkInHand(tasks=len(qos._held), undelivered=bench.buffer.waiting, slots=1)
        return work if lingers else None

    qos = SqsQoS(None, bench.acker, prefetch_count, work_in_hand=work_in_hand)
    served: dict[str, int] = dict.fromkeys(queues, 0)
    most = 0

    def in_flight() -> int:
        return sum(
            message.received_at is not None
            for queue in queues
            for message in bench.sqs.messages(QueueName(queue))
        )

    receivers = [bench.new_receiver(qos, queue) for queue in queues]
    for receiver in receivers:
        receiver.start()
    while sum(served.values()) < 40:
        if not bench.buffer.wait(0.05):
            bench.clock.advance(20)  # ends the quiet ones' polls
            continue
        for delivery in take(bench.buffer, 1):
            tag = delivery.message.receipt_handle
            qos.append(message_of(delivery.receipt, tag), tag, reserved=True)
            most = max(most, in_flight())
            served[delivery.message.body] += 1
            qos.ack(tag)
            assert bench.acker.flush(PATIENCE_SECONDS)

    assert most <= prefetch_count
    assert set(served.values()) == {8}


class TestFreeSlots:
    """With ``worker_disable_prefetch``: tasks that run count, acknowledged or not."""

    @pytest.mark.parametrize(
        ("prefetch_count", "slots", "reserved", "expected"),
        [(4, 1, 0, 1), (4, 9, 0, 4), (0, 3, 0, 3), (0, 3, 2, 1), (4, 0, 0, 0), (4, 2, 2, 0)],
    )
    def test_no_more_is_asked_for_than_there_are_slots(
        self, bench: Bench, prefetch_count: int, slots: int, reserved: int, expected: int
    ) -> None:
        free = 10
        qos = SqsQoS(None, bench.acker, prefetch_count, free_slots=lambda: free)
        for _ in range(reserved):
            qos.reserve(PollTicket(), wait_time_seconds=0, rest_seconds=0)
        taken = qos._credits.reserved
        free = slots - reserved + taken

        assert qos.can_consume_max_estimate() == expected
        assert qos.can_consume() is (expected > 0)

    def test_a_slot_that_is_freed_is_noticed(self, bench: Bench) -> None:
        free = 0
        qos = SqsQoS(None, bench.acker, 4, free_slots=lambda: free)
        polls: list[Poll | None] = []
        thread = threading.Thread(
            target=lambda: polls.append(
                qos.reserve(PollTicket(), wait_time_seconds=20, rest_seconds=0)
            )
        )
        thread.start()
        assert polls == []

        free = 1
        thread.join(PATIENCE_SECONDS)

        assert [poll.max_messages for poll in polls if poll] == [1]


class Busy:
    """A worker with two slots that acknowledges a task when it starts it."""

    def __init__(self, bench: Bench) -> None:
        self.looked = threading.Event()
        self.qos = SqsQoS(None, bench.acker, 8, work_in_hand=self.work_in_hand)
        self._tags = hold(bench, self.qos, 8)
        self.receiver = Reserving(self.qos, PollTicket(busy=True))

    def work_in_hand(self) -> WorkInHand:
        self.looked.set()
        return WorkInHand(tasks=2 + len(self._tags), undelivered=0, slots=2)

    def start(self, tasks: int = 1) -> None:
        """Start more tasks; each time, the receiver may look."""
        for _ in range(tasks):
            self.looked.clear()
            self.qos.ack(self._tags.pop())
            assert self.looked.wait(PATIENCE_SECONDS)


class TestLingering:
    def test_a_busy_queue_is_asked_for_several_messages_at_once(self, bench: Bench) -> None:
        worker = Busy(bench)

        worker.start(6)

        poll = worker.receiver.result()
        assert poll is not None
        assert poll.max_messages == 6

    def test_it_does_not_wait_for_long(self, bench: Bench) -> None:
        worker = Busy(bench)

        worker.start()

        poll = worker.receiver.result()
        assert poll is not None
        assert poll.max_messages == 1

    def test_a_receiver_that_is_stopped_lingers_no_more(self, bench: Bench) -> None:
        worker = Busy(bench)
        worker.start()

        worker.qos.withdraw(worker.receiver.ticket)

        assert worker.receiver.result() is None
        assert worker.qos.can_consume_max_estimate() == 1

    def test_a_quiet_queue_has_its_turn_behind_one_that_lingers(self, bench: Bench) -> None:
        worker = Busy(bench)
        quiet = Reserving(worker.qos)

        worker.start(2)

        polls = [worker.receiver.result(), quiet.result()]
        assert [poll.max_messages for poll in polls if poll] == [1, 1]


class TestRestoring:
    def test_messages_of_tasks_that_go_on_are_kept(self, bench: Bench) -> None:
        receipts = bench.receive(2)
        running, waiting = message_of(receipts[0], "1"), message_of(receipts[1], "2")
        qos = SqsQoS(None, bench.acker, running=lambda: [running])
        for tag, message in (("1", running), ("2", waiting)):
            qos.append(message, tag)

        qos.restore_unacked_once()
        assert bench.acker.flush(PATIENCE_SECONDS)
        assert bench.visible() == ["1"]

        qos.ack("1")
        assert bench.acker.flush(PATIENCE_SECONDS)
        assert bench.bodies() == ["1"]

    def test_what_is_not_held_is_ignored(self, bench: Bench) -> None:
        (receipt,) = bench.receive(1)
        qos = SqsQoS(None, bench.acker)

        qos.restore([message_of(receipt, "1")])

        assert bench.acker.flush(0)
        assert bench.visible() == []


def test_a_signal_handler_may_give_back_what_is_being_delivered(bench: Bench) -> None:
    """A cold shutdown cancels its consumers wherever the main thread is."""
    qos = bench.new_qos(prefetch_count=1)
    (receipt,) = bench.receive(1)
    message = message_of(receipt, "1")

    class Interrupted(dict[str, SqsMessage]):
        def __setitem__(self, tag: str, held: SqsMessage) -> None:
            super().__setitem__(tag, held)
            qos.restore([held])

    qos._held = Interrupted()
    qos.append(message, "1")

    assert bench.acker.flush(PATIENCE_SECONDS)
    assert bench.visible() == ["0"]
    assert qos.can_consume_max_estimate() == 1


def test_what_is_being_delivered_takes_a_slot(bench: Bench) -> None:
    """Celery counts it only once it has made a request of it."""
    qos = SqsQoS(None, bench.acker, free_slots=lambda: 1)
    (receipt,) = bench.receive(1)
    qos.reserve(PollTicket(), wait_time_seconds=0, rest_seconds=0)

    with qos.delivering():
        qos.append(message_of(receipt, "1"), "1", reserved=True)
        assert not qos.can_consume()

    assert qos.can_consume()
