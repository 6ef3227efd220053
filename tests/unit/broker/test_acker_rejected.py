from celery_aws.broker.message import Receipt
from celery_aws.core.messages import ReceivedMessage
from celery_aws.errors import ThrottledError
from celery_aws.names import QueueName
from tests.unit.broker.acking import DELETE, LONG_SECONDS, stop
from tests.unit.broker.conftest import PATIENCE_SECONDS, QUEUE, Bench


class TestRejected:
    """A message that was rejected for good; where it goes: test_dead_letters.py."""

    DEAD = QueueName("celery-dead-letter")

    def reject(self, bench: Bench, *, move: bool = True) -> None:
        address = bench.address()
        bench.send("task")
        (message,) = bench.sqs.receive(
            address.url, max_messages=1, wait_seconds=0, visibility_timeout_seconds=30
        )
        receipt = Receipt(queue=QUEUE, address=address, handle=message.receipt_handle)
        bench.acker.reject(receipt, message, move=move)
        assert bench.acker.flush(PATIENCE_SECONDS)

    def test_it_is_deleted_once_it_is_in_the_dead_letter_queue(self, bench: Bench) -> None:
        self.reject(bench)

        assert (bench.bodies(), bench.bodies(self.DEAD)) == ([], ["task"])

    def test_it_may_be_left_where_it_is(self, bench: Bench) -> None:
        self.reject(bench, move=False)

        assert (bench.bodies(), bench.bodies(self.DEAD)) == (["task"], [])
        assert bench.visible() == []

    def test_it_is_not_deleted_because_it_comes_back_before_it_is_moved(self, bench: Bench) -> None:
        """Its lease ended while the dead-letter queue could not be reached."""
        (receipt,) = bench.receive(1)
        bench.leases.hold([receipt], asked_at=0, answered_at=0)
        message = ReceivedMessage(
            message_id=receipt.message_id, body="0", receipt_handle=receipt.handle
        )
        bench.acker = bench.new_acker(linger_seconds=LONG_SECONDS)
        bench.acker.reject(receipt, message, move=True)

        bench.clock.advance(30)
        taken = bench.leases.hold(bench.receive_again(1), asked_at=30, answered_at=30)

        assert (taken.new, taken.finished) == ([], [])
        assert bench.acker.flush(PATIENCE_SECONDS)
        assert (bench.bodies(), bench.bodies(self.DEAD)) == ([], ["0"])
        assert bench.leases.held == 0

    def test_moving_it_is_tried_again(self, bench: Bench) -> None:
        bench.address()
        bench.sqs.faults.fail("GetQueueAttributes", ThrottledError("slow down"), times=2)

        self.reject(bench)

        assert (bench.bodies(), bench.bodies(self.DEAD)) == ([], ["task"])

    def test_it_is_never_deleted_before_it_is_moved(self, bench: Bench) -> None:
        bench.address()
        bench.sqs.faults.fail("GetQueueAttributes", ThrottledError("slow down"), times=20)

        self.reject(bench)

        assert (bench.bodies(), bench.bodies(self.DEAD)) == ([], ["task"])
        last_requests = [call.operation for call in bench.sqs.calls[-2:]]
        assert last_requests == ["SendMessage", DELETE]

    def test_a_delete_that_is_tried_again_moves_nothing_twice(self, bench: Bench) -> None:
        bench.sqs.faults.fail(DELETE, ThrottledError("slow down"))
        bench.sqs.faults.refuse_entries(DELETE)

        self.reject(bench)

        assert (bench.bodies(), bench.bodies(self.DEAD)) == ([], ["task"])

    def test_it_holds_up_nobody_elses_delete(self, bench: Bench) -> None:
        receipt = bench.receive(1)[0]
        acker = bench.new_acker(linger_seconds=LONG_SECONDS)
        operations = len(bench.sqs.calls)
        message = ReceivedMessage(message_id="m", body="b", receipt_handle=receipt.handle)
        acker.reject(receipt, message, move=True)
        acker.delete(bench.receive(1)[0])

        stop(acker)

        asked = [call.operation for call in bench.sqs.calls[operations:]]
        assert asked.index(DELETE) < asked.index("GetQueueAttributes")
