from collections import defaultdict, deque
from typing import Any

import pytest
from kombu import Exchange, Queue
from kombu.transport.native_delayed_delivery import calculate_routing_key

from celery_aws.migrate.amqp import delayed_queues
from celery_aws.migrate.amqp.delayed_queues import DelayedQueues
from celery_aws.migrate.amqp.delays import routes_of_queues
from celery_aws.names import AmqpQueue
from tests.unit.migrate.amqp.messages import delivered

ROUTES = routes_of_queues(
    [
        Queue("mine", Exchange("mine", type="topic"), routing_key="mine"),
        Queue("both-1", Exchange("both", type="topic"), routing_key="both"),
        Queue("mine-too", Exchange("both", type="topic"), routing_key="both"),
    ]
)


class Channel:
    """Queues in memory, and how often each message was delivered."""

    def __init__(self) -> None:
        self.queues: dict[str, deque[Any]] = defaultdict(deque)
        self.deliveries: dict[int, int] = defaultdict(int)
        self._held: dict[int, tuple[str, Any]] = {}

    def put(self, level: int, key: str) -> int:
        tag = len(self.deliveries) + 1
        self.deliveries[tag] = 0
        message = delivered(tag=tag, routing_key=calculate_routing_key(2**level, key))
        self.queues[f"celery_delayed_{level}"].append(message)
        return tag

    def get(self, queue: str, most: int) -> list[Any]:
        waiting = self.queues[queue]
        taken = [waiting.popleft() for _ in range(min(most, len(waiting)))]
        for message in taken:
            self.deliveries[message.delivery_tag] += 1
            self._held[message.delivery_tag] = (queue, message)
        return taken

    def basic_reject(self, tag: int, requeue: bool) -> None:
        assert requeue
        queue, message = self._held.pop(tag)
        self.queues[queue].append(message)


@pytest.fixture
def channel(monkeypatch: pytest.MonkeyPatch) -> Channel:
    monkeypatch.setattr(
        delayed_queues, "get", lambda channel, queue, most: channel.get(queue, most)
    )
    return Channel()


def queues(*wanted: str) -> DelayedQueues:
    return DelayedQueues(ROUTES, [AmqpQueue(each) for each in wanted])


def tags(delayed: DelayedQueues, channel: Channel, most: int = 10) -> list[int]:
    return [each.message.delivery_tag for each in delayed.take(channel, most)]


def test_levels_are_taken_from_the_longest(channel: Channel) -> None:
    low, high = channel.put(3, "mine"), channel.put(20, "mine")
    delayed = queues("mine")
    assert tags(delayed, channel, 1) == [high]
    assert tags(delayed, channel, 1) == [low]
    assert tags(delayed, channel, 1) == []


def test_strangers_are_back_once_their_level_is_empty(channel: Channel) -> None:
    strangers = [channel.put(5, "nobody") for _ in range(15)]
    mine = channel.put(5, "mine")
    delayed = queues("mine")
    assert tags(delayed, channel) == [mine]
    assert len(channel.queues["celery_delayed_5"]) == 15
    assert delayed.left == {"nobody": 15}
    assert {channel.deliveries[tag] for tag in strangers} == {1}


def test_strangers_are_delivered_twice_at_most(channel: Channel) -> None:
    stranger = channel.put(5, "nobody")
    delayed = queues("mine")
    for _ in range(10):
        assert tags(delayed, channel) == []
    assert channel.deliveries[stranger] == 2
    assert sum(delayed.left.values()) == 1


def test_one_for_two_queues_goes_only_if_both_do(channel: Channel) -> None:
    both = channel.put(5, "both")
    assert tags(queues("mine", "mine-too"), channel) == []
    [taken] = queues("both-1", "mine-too").take(channel, 10)
    assert taken.message.delivery_tag == both
    assert [each.queue for each in taken.destinations] == ["both-1", "mine-too"]
