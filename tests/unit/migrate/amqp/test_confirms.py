from collections import defaultdict
from collections.abc import Callable
from typing import Any

import amqp
import pytest
from amqp.exceptions import NoConsumers

from celery_aws.migrate.amqp.confirms import Confirms


class Channel:
    """Answers with what the test wants."""

    def __init__(self) -> None:
        self.events: dict[str, set[Callable[..., None]]] = defaultdict(set)
        self.answers: list[tuple[str, Any]] = []
        self.connection = self

    def confirm_select(self) -> None:
        assert not self.events

    def basic_publish(self, message: Any, **how: Any) -> None:
        assert how["mandatory"]

    def drain_events(self) -> None:
        event, arguments = self.answers.pop(0)
        for callback in self.events[event]:
            callback(*arguments)


@pytest.fixture
def channel() -> Channel:
    return Channel()


def published(confirms: Confirms, *bodies: bytes) -> list[int]:
    return [
        confirms.publish(amqp.Message(body, priority=None), exchange="", routing_key="q")
        for body in bodies
    ]


def problems(confirms: Confirms, numbers: list[int]) -> list[bool]:
    confirms.wait()
    return [confirms.problem_of(number) is not None for number in numbers]


def test_one_answer_may_be_for_many(channel: Channel) -> None:
    confirms = Confirms(channel)
    numbers = published(confirms, b"a", b"b", b"c")
    channel.answers = [("basic_ack", (2, True)), ("basic_ack", (3, False))]
    assert problems(confirms, numbers) == [False, False, False]
    more = published(confirms, b"d")
    channel.answers = [("basic_nack", (4, False))]
    assert more == [4]
    assert problems(confirms, more) == [True]


def returned(body: bytes) -> tuple[str, Any]:
    message = amqp.Message(body)
    return ("basic_return", (NoConsumers("NO_ROUTE"), "", "q", message))


def test_what_is_returned_is_known_by_its_content(channel: Channel) -> None:
    confirms = Confirms(channel)
    numbers = published(confirms, b"same", b"other", b"same")
    channel.answers = [returned(b"same"), returned(b"same"), ("basic_ack", (3, True))]
    assert problems(confirms, numbers) == [True, False, True]


def test_what_is_returned_and_not_known_makes_all_of_them_unsent(channel: Channel) -> None:
    confirms = Confirms(channel)
    numbers = published(confirms, b"a", b"b")
    channel.answers = [returned(b"who?"), ("basic_ack", (2, True))]
    assert problems(confirms, numbers) == [True, True]
