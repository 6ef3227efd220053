"""QoS, reception, acker, leases together, on a queue that forgets nothing and delivers twice.

Whatever Celery, the network and time do, and in whatever order: the prefetch count holds, nothing
is deleted that was not acknowledged or rejected, what is held stays hidden for as long as its lease
is believed to last, and every message is held, hidden for a time, visible, or settled.
"""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from celery_aws.broker.message import Receipt
from celery_aws.broker.qos import PollTicket
from celery_aws.errors import ThrottledError
from celery_aws.names import ReceiptHandle
from celery_aws.testing.clock import FakeClock
from celery_aws.testing.memory_sqs import MemorySqs
from tests.unit.broker.conftest import NAME, PATIENCE_SECONDS, QUEUE, Bench, message_of

PREFETCH_COUNT = 5
HIDDEN_SECONDS = 30
OPERATIONS = st.sampled_from(["DeleteMessageBatch", "ChangeMessageVisibilityBatch"])


class Settling(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        clock = FakeClock()
        self.bench = Bench(
            clock, MemorySqs(clock), visibility_timeout=HIDDEN_SECONDS, max_receive_count=0
        )
        self.leases = self.bench.leases
        # The test is the thread: time passes only when it says so.
        self.leases.stop(0)
        self.qos = self.bench.new_qos(PREFETCH_COUNT)
        self.reception = self.bench.new_reception()
        self.sent: set[str] = set()
        #: Delivery tag of what is reserved and received, and its body.
        self.received: dict[str, Receipt] = {}
        self.held: dict[str, str] = {}
        #: Bodies of which some delivery was acknowledged or rejected for good.
        self.finished: set[str] = set()
        self.bodies: dict[str, str] = {}
        #: Bodies that were handed out twice: of these nothing can be believed.
        self.doubled: set[str] = set()

    def teardown(self) -> None:
        self.bench.close()

    # The application and the world.

    @rule()
    def send(self) -> None:
        body = f"task-{len(self.sent)}"
        self.sent.add(body)
        self.bench.send(body)

    @rule()
    def receive_twice(self) -> None:
        """A standard queue hands a message out and keeps it visible."""
        if self.qos.can_consume():
            self.bench.sqs.faults.deliver_twice()
            before = len(self.received)
            self.receive()
            self.doubled.update(self.bodies[handle] for handle in list(self.received)[before:])
            self.bench.sqs.faults.take_twice(1)  # if there was nothing to hand out

    @rule(operation=OPERATIONS)
    def lose_a_reply(self, operation: str) -> None:
        self.bench.sqs.faults.lose_reply(operation)

    @rule(operation=OPERATIONS)
    def throttle(self, operation: str) -> None:
        self.bench.sqs.faults.fail(operation, ThrottledError("slow down"))

    @rule(operation=OPERATIONS, entries=st.integers(1, 3))
    def refuse_entries(self, operation: str, entries: int) -> None:
        self.bench.sqs.faults.refuse_entries(operation, entries=entries)

    @rule(seconds=st.sampled_from([1, HIDDEN_SECONDS, 600]))
    def time_passes(self, seconds: int) -> None:
        self.bench.clock.advance(seconds)

    # The leases' thread.

    @rule()
    def extend(self) -> None:
        self.leases.extend_due()

    @rule(seconds=st.integers(1, 4 * HIDDEN_SECONDS))
    def time_passes_and_the_thread_runs(self, seconds: int) -> None:
        for _ in range(seconds):
            self.bench.clock.advance(1)
            self.leases.extend_due()

    # A receiver.

    @precondition(lambda self: self.qos.can_consume())
    @rule()
    def receive(self) -> None:
        poll = self.qos.reserve(PollTicket(), wait_time_seconds=20, rest_seconds=0)
        assert poll is not None
        received = self.reception.receive(QUEUE, max_messages=poll.max_messages, wait_seconds=0)
        self.qos.release(poll.max_messages - len(received.messages))
        for message, receipt in received.messages:
            self.bodies[receipt.handle] = message.body
            self.received[receipt.handle] = receipt

    @precondition(lambda self: self.received)
    @rule()
    def deliver(self) -> None:
        tag, receipt = self.received.popitem()
        if not self.reception.valid(receipt):
            self.reception.discard(receipt)
            self.qos.release(1)
            return
        self.qos.append(message_of(receipt, tag), tag, reserved=True)
        self.held[tag] = self.bodies[tag]

    @precondition(lambda self: self.received)
    @rule()
    def cancel_before_delivery(self) -> None:
        _, receipt = self.received.popitem()
        self.reception.give_back([receipt])
        self.qos.release(1)

    # Celery.

    @precondition(lambda self: self.held)
    @rule(requeue=st.booleans())
    def settle(self, requeue: bool) -> None:
        tag, body = self.held.popitem()
        if requeue:
            self.qos.reject(tag, requeue=True)
        else:
            self.finished.add(body)
            self.qos.ack(tag)

    @rule(tag=st.sampled_from(["never-seen"]))
    def settle_what_is_not_held(self, tag: str) -> None:
        self.qos.ack(tag)
        self.qos.reject(tag)

    @rule()
    def close_the_channel(self) -> None:
        self.qos.restore_unacked_once()
        self.held.clear()

    # What must hold.

    @invariant()
    def the_prefetch_count_holds(self) -> None:
        free = self.qos.can_consume_max_estimate()
        assert free == PREFETCH_COUNT - len(self.received) - len(self.held)

    @invariant()
    def nothing_unfinished_is_deleted_and_nothing_is_forgotten(self) -> None:
        assert self.bench.acker.flush(PATIENCE_SECONDS)
        kept = {message.body: message for message in self.bench.sqs.messages(NAME)}
        assert self.sent - self.finished <= set(kept)
        latest = self.bench.clock.monotonic() + HIDDEN_SECONDS
        assert all(message.visible_at <= latest for message in kept.values())

    @invariant()
    def what_is_believed_to_be_held_is_hidden(self) -> None:
        now = self.bench.clock.monotonic()
        for message in self.bench.sqs.messages(NAME):
            receipt = self._receipt(message.handle)
            if receipt is not None and message.body not in self.doubled:
                assert not self.leases.valid(receipt) or message.visible_at > now

    def _receipt(self, handle: ReceiptHandle | None) -> Receipt | None:
        if handle in self.held:
            return self.qos.get(str(handle)).receipt
        return self.received.get(str(handle))

    @invariant()
    def every_lease_belongs_to_something(self) -> None:
        assert self.bench.acker.flush(PATIENCE_SECONDS)
        assert self.leases.held <= len(self.held) + len(self.received)

    @invariant()
    def every_tag_that_is_held_is_known(self) -> None:
        for tag in self.held:
            assert self.qos.get(tag).receipt is not None
        assert not set(self.held) & set(self.received)


TestSettling = Settling.TestCase
TestSettling.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
