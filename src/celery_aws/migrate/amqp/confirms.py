"""Publisher confirms of one channel: a message counts once RabbitMQ says that it has it.

Messages are published one after the other and confirmed together, which costs one round trip and
not one each. RabbitMQ returns what no queue takes before it confirms it. Facts:
rabbitmq.com/docs/confirms, amqp/channel.py.
"""

from typing import Any

from amqp.exceptions import MessageNacked


class Confirms:
    """What became of the messages that were published over a channel.

    Args:
        channel: py-amqp's, on which nothing was published yet.
    """

    def __init__(self, channel: Any) -> None:
        self._channel = channel
        self._last = 0
        self._waiting: dict[int, Any] = {}
        self._problems: dict[int, Exception] = {}
        channel.confirm_select()
        channel.events["basic_ack"].add(self._acked)
        channel.events["basic_nack"].add(self._nacked)
        channel.events["basic_return"].add(self._returned)

    def publish(self, message: Any, *, exchange: str, routing_key: str) -> int:
        """Publish a message and return its number on this channel."""
        self._last += 1
        self._waiting[self._last] = message
        self._channel.basic_publish(
            message, exchange=exchange, routing_key=routing_key, mandatory=True
        )
        return self._last

    def wait(self) -> None:
        """Wait until RabbitMQ has said something of each."""
        while self._waiting:
            self._channel.connection.drain_events()

    def problem_of(self, number: int) -> Exception | None:
        """Return why RabbitMQ has not taken a message, None if it has; once."""
        return self._problems.pop(number, None)

    def _acked(self, number: int, multiple: bool) -> None:
        for each in self._meant(number, multiple):
            self._waiting.pop(each, None)

    def _nacked(self, number: int, multiple: bool) -> None:
        for each in self._meant(number, multiple):
            if self._waiting.pop(each, None) is not None:
                self._problems[each] = MessageNacked("RabbitMQ has refused it: is the queue full?")

    def _meant(self, number: int, multiple: bool) -> list[int]:
        return [each for each in self._waiting if each <= number] if multiple else [number]

    def _returned(self, error: Exception, exchange: str, routing_key: str, message: Any) -> None:
        del exchange, routing_key
        # It has no number; messages that are the same can stand for each other.
        content = _content(message)
        open_ones = [number for number in self._waiting if number not in self._problems]
        same = [number for number in open_ones if _content(self._waiting[number]) == content]
        # If it is not known which, all are sent again rather than one not at all.
        for number in same[:1] or open_ones:
            self._problems[number] = error


def _content(message: Any) -> tuple[bytes, bytes]:
    return message._serialize_properties(), bytes(message.body)  # noqa: SLF001 - the only writer
