import threading
from collections import Counter, deque

import pytest
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from celery_aws.control import transient_queues
from celery_aws.control.transient_queues import Message, TransientQueue, TransientQueues
from celery_aws.core.queue_traits import QueueTraits
from celery_aws.names import AmqpQueue
from celery_aws.testing.clock import FakeClock
from tests.unit.control.conftest import PATIENCE_SECONDS, Sink

NAME = AmqpQueue("one")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def queues(clock: FakeClock) -> TransientQueues:
    return TransientQueues(clock)


@pytest.fixture
def queue(queues: TransientQueues) -> TransientQueue:
    return queues.declare(NAME, QueueTraits())


def numbered(number: int) -> Message:
    return {"number": number}


def numbers(messages: list[Message]) -> list[int]:
    return [each["number"] for each in messages]


def taken(queue: TransientQueue) -> list[int]:
    found = []
    while (message := queue.take()) is not None:
        found.append(message["number"])
    return found


def test_what_waits_is_taken_in_order(queue: TransientQueue) -> None:
    for number in range(3):
        queue.put(numbered(number))
    assert queue.size() == 3
    assert taken(queue) == [0, 1, 2]
    assert queue.take() is None


def test_a_consumer_is_handed_what_waits_and_then_what_comes(queue: TransientQueue) -> None:
    sink = Sink()
    queue.put(numbered(0))
    queue.put(numbered(1))
    queue.add_consumer(sink)
    queue.put(numbered(2))
    assert numbers(sink.messages) == [0, 1, 2]
    assert queue.size() == 0


def test_consumers_take_turns(queue: TransientQueue) -> None:
    first, second = Sink(), Sink()
    queue.add_consumer(first)
    queue.add_consumer(second)
    for number in range(4):
        queue.put(numbered(number))
    assert (numbers(first.messages), numbers(second.messages)) == ([0, 2], [1, 3])


def test_the_last_consumer_is_told_from_the_others(queue: TransientQueue) -> None:
    first, second = Sink(), Sink()
    queue.add_consumer(first)
    queue.add_consumer(second)
    assert queue.consumers == 2
    assert not queue.remove_consumer(first)
    assert queue.remove_consumer(second)
    assert queue.remove_consumer(second)
    queue.put(numbered(0))
    assert queue.size() == 1
    assert (first.messages, second.messages) == ([], [])


def test_what_is_put_back_comes_first_and_in_its_order(queue: TransientQueue) -> None:
    queue.put(numbered(2))
    queue.put_back(numbered(each) for each in (0, 1))
    assert taken(queue) == [0, 1, 2]


def test_what_is_put_back_goes_to_another_consumer(queue: TransientQueue) -> None:
    sink = Sink()
    queue.add_consumer(sink)
    queue.put_back([numbered(0), numbered(1)])
    assert numbers(sink.messages) == [0, 1]


def test_messages_go_when_their_time_is_over(queues: TransientQueues, clock: FakeClock) -> None:
    queue = queues.declare(NAME, QueueTraits(message_ttl_seconds=5))
    queue.put(numbered(0))
    clock.advance(3)
    queue.put(numbered(1))
    clock.advance(2.5)
    sink = Sink()
    assert queue.size() == 1
    queue.add_consumer(sink)
    assert numbers(sink.messages) == [1]


def test_messages_without_a_time_stay(queue: TransientQueue, clock: FakeClock) -> None:
    queue.put(numbered(0))
    clock.advance(1e6)
    assert taken(queue) == [0]


def test_a_message_that_waited_for_longer_than_it_may_is_dropped(
    clock: FakeClock, queue: TransientQueue
) -> None:
    for number, life in enumerate(("2000", "9000", None)):
        queue.put({"number": number, "properties": {"expiration": life}})
    clock.advance(2)
    assert queue.size() == 3
    clock.advance(1)
    assert queue.size() == 2
    clock.advance(7)
    assert taken(queue) == [2]


@pytest.mark.parametrize(("life", "left"), [("2000", []), ("9000", [1])])
def test_the_shorter_of_the_two_lives_counts(
    clock: FakeClock, queues: TransientQueues, life: str, left: list[int]
) -> None:
    queue = queues.declare(NAME, QueueTraits(message_ttl_seconds=5))
    queue.put({"number": 1, "properties": {"expiration": life}})
    clock.advance(4)
    assert taken(queue) == left


def test_a_full_queue_drops_the_oldest_and_only_for_a_new_one(
    queue: TransientQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transient_queues, "WAITING_MAX", 3)
    for number in range(4):
        queue.put(numbered(number))
    assert queue.size() == queue.size() == 3
    assert taken(queue) == [1, 2, 3]


@pytest.mark.parametrize(("highest", "order"), [(0, "acbd"), (9, "dbac")])
def test_what_waits_is_in_the_order_of_its_priorities(
    clock: FakeClock, highest: int, order: str
) -> None:
    queues = TransientQueues(clock, highest_priority=highest)
    queue = queues.declare(NAME, QueueTraits(exclusive=True, prioritised=True))
    for name, priority in (("a", 0), ("b", 3), ("c", 0), ("d", 9)):
        queue.put({"number": name, "properties": {"priority": priority}})

    first = queue.take()
    assert first is not None
    queue.put_back([first])
    assert "".join(map(str, taken(queue))) == order


def test_a_message_without_a_priority_has_priority_0(queues: TransientQueues) -> None:
    queue = queues.declare(NAME, QueueTraits(exclusive=True, prioritised=True))
    queue.put({"number": 1, "properties": {"priority": 1}})
    queue.put({"number": 2, "properties": {}})
    assert taken(queue) == [2, 1]


def test_purging_tells_how_much_it_was(queue: TransientQueue) -> None:
    queue.put(numbered(0))
    assert (queue.purge(), queue.purge(), queue.size()) == (1, 0, 0)


class TestQueues:
    def test_a_queue_is_declared_once(self, queues: TransientQueues) -> None:
        first = queues.declare(NAME, QueueTraits())
        assert queues.declare(NAME, QueueTraits()) is first
        assert queues.find(NAME) is first
        assert queues.find(AmqpQueue("other")) is None

    def test_declared_anew_it_is_another_one(self, queues: TransientQueues) -> None:
        first = queues.declare(NAME, QueueTraits())
        queues.discard(first)
        second = queues.declare(NAME, QueueTraits())
        assert first.token != second.token
        assert (queues.holds(first.token), queues.holds(second.token)) == (False, True)
        queues.discard(first)
        assert queues.find(NAME) is second

    def test_messages_go_by_token_and_those_of_no_queue_nowhere(
        self, queues: TransientQueues
    ) -> None:
        one, two = (queues.declare(AmqpQueue(name), QueueTraits()) for name in ("1", "2"))
        gone = queues.declare(AmqpQueue("3"), QueueTraits())
        queues.discard(gone)
        queues.deliver([one.token, gone.token, "nobody's", two.token], numbered(0))
        assert (one.size(), two.size(), gone.size()) == (1, 1, 0)

    def test_a_queue_expires_without_a_consumer(
        self, queues: TransientQueues, clock: FakeClock
    ) -> None:
        queue = queues.declare(NAME, QueueTraits(expires_seconds=60))
        assert queues.may_expire()
        clock.advance(59)
        assert queues.expire() == []
        clock.advance(1)
        assert queues.expire() == [queue]
        assert queues.find(NAME) is None
        assert not queues.holds(queue.token)
        assert not queues.may_expire()

    def test_a_consumer_or_a_declaration_keeps_it(
        self, queues: TransientQueues, clock: FakeClock
    ) -> None:
        queue = queues.declare(NAME, QueueTraits(expires_seconds=60))
        sink = Sink()
        queue.add_consumer(sink)
        clock.advance(600)
        assert queues.expire() == []
        assert not queues.may_expire()
        queue.remove_consumer(sink)
        clock.advance(59)
        queues.declare(NAME, QueueTraits(expires_seconds=60))
        clock.advance(59)
        assert queues.expire() == []
        clock.advance(1)
        assert queues.expire() == [queue]

    def test_one_that_does_not_expire_stays(
        self, queues: TransientQueues, queue: TransientQueue, clock: FakeClock
    ) -> None:
        clock.advance(1e6)
        assert queues.expire() == []
        assert queues.find(NAME) is queue


def test_threads_lose_and_double_nothing(queue: TransientQueue) -> None:
    """Consumers come and go while two threads put; what they had not delivered is put back."""
    count = 2_000
    delivered: list[Message] = []
    done = threading.Event()

    def put(start: int) -> None:
        for number in range(start, start + count):
            queue.put(numbered(number))

    def come_and_go() -> None:
        while not done.is_set():
            sink = Sink()
            queue.add_consumer(sink)
            queue.remove_consumer(sink)
            half = len(sink.messages) // 2
            delivered.extend(sink.messages[:half])
            queue.put_back(sink.messages[half:])

    putting = [threading.Thread(target=put, args=(start,)) for start in (0, count)]
    consuming = [threading.Thread(target=come_and_go) for _ in range(2)]
    for thread in (*putting, *consuming):
        thread.start()
    for thread in putting:
        thread.join(PATIENCE_SECONDS)
    done.set()
    for thread in consuming:
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive()

    assert Counter([*numbers(delivered), *taken(queue)]) == Counter(range(2 * count))


class AnyOrder(RuleBasedStateMachine):
    """Whatever happens to a queue, each message is in one place, and what waits is in order."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = TransientQueue(NAME, QueueTraits(), FakeClock())
        self.sinks: deque[Sink] = deque()
        self.put_numbers = 0
        self.had: list[int] = []

    @rule()
    def put(self) -> None:
        self.queue.put(numbered(self.put_numbers))
        self.put_numbers += 1

    @rule()
    def add(self) -> None:
        self.sinks.append(Sink())
        self.queue.add_consumer(self.sinks[-1])

    @precondition(lambda self: self.sinks)
    @rule()
    def cancel(self) -> None:
        sink = self.sinks.popleft()
        assert self.queue.remove_consumer(sink) == (not self.sinks)
        self.queue.put_back(sink.messages)

    @precondition(lambda self: self.sinks and self.sinks[0].messages)
    @rule()
    def deliver(self) -> None:
        self.had.append(self.sinks[0].messages.pop(0)["number"])

    @rule()
    def take(self) -> None:
        message = self.queue.take()
        if message is not None:
            assert not self.sinks
            self.had.append(message["number"])

    @invariant()
    def each_is_in_one_place(self) -> None:
        held = [number for sink in self.sinks for number in numbers(sink.messages)]
        assert len(held) + self.queue.size() + len(self.had) == self.put_numbers
        assert len({*held, *self.had}) == len(held) + len(self.had)
        assert not (self.sinks and self.queue.size())


TestAnyOrder = AnyOrder.TestCase
