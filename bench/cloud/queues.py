"""The queues of the cloud: what is visible, what is hidden until when, and who polls.

A poll that waits is answered in the moment in which a message becomes visible; no timer looks for
it. A receive is filled up to its ten where so many are visible, where AWS brings fewer from a
shallow queue. Nothing moves to a dead-letter queue.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count

from bench.cloud.answers import RefusedError
from bench.cloud.messages import Message

DEFAULT_VISIBILITY_SECONDS = 30


@dataclass(slots=True, eq=False)
class Poll:
    """Whoever waits for messages.

    Attributes:
        answer: called once, with the messages; without any when the wait is over.
    """

    most: int
    visibility_seconds: float
    answer: Callable[[Sequence[Message]], None]
    ends: asyncio.TimerHandle | None = None


@dataclass(kw_only=True)
class Queue:
    """A standard queue."""

    name: str
    attributes: dict[str, str]
    tags: dict[str, str]
    loop: asyncio.AbstractEventLoop
    created: int = field(default_factory=lambda: int(time.time()))

    def __post_init__(self) -> None:
        self._messages: dict[str, Message] = {}
        self._visible: deque[Message] = deque()
        self._hidden: list[tuple[float, int, int, Message]] = []
        self._numbers = count()
        self._polls: deque[Poll] = deque()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def visibility_seconds(self) -> float:
        """For a receive that names none."""
        return float(self.attributes.get("VisibilityTimeout", DEFAULT_VISIBILITY_SECONDS))

    @property
    def depth(self) -> tuple[int, int]:
        """How many messages are visible, and how many are not."""
        hidden = sum(1 for each in self._messages.values() if each.hidden)
        return len(self._messages) - hidden, hidden

    def add(self, message: Message, delay_seconds: float) -> Message:
        """Take a message and return it; :meth:`serve` is for the caller to call."""
        self._messages[message.identifier] = message
        if delay_seconds > 0:
            self._hide(message, delay_seconds)
        else:
            self._visible.append(message)
        return message

    def serve(self) -> None:
        """Give what is visible to those who wait, the longest wait first."""
        while self._polls:
            poll = self._polls[0]
            found = self.take(poll.most, poll.visibility_seconds)
            if not found:
                return
            self._polls.popleft()
            if poll.ends is not None:
                poll.ends.cancel()
            poll.answer(found)

    def take(self, most: int, visibility_seconds: float) -> list[Message]:
        """Return up to so many visible messages, which are hidden from now on."""
        found: list[Message] = []
        visible, known = self._visible, self._messages
        while visible and len(found) < most:
            message = visible.popleft()
            if message.identifier in known:
                self._receive(message, visibility_seconds)
                found.append(message)
        return found

    def wait(self, poll: Poll, seconds: float) -> None:
        """Let a poll wait for the next message, so long at most."""
        poll.ends = self.loop.call_later(seconds, self._end, poll)
        self._polls.append(poll)

    def forget(self, poll: Poll) -> None:
        """Drop a poll whose client has gone away."""
        if poll in self._polls:
            self._polls.remove(poll)
            if poll.ends is not None:
                poll.ends.cancel()

    def delete(self, handle: str) -> None:
        """Delete a message; with the handle of an earlier receive nothing happens."""
        message = self._received(handle)
        if message is not None and message.handle == handle:
            del self._messages[message.identifier]

    def change_visibility(self, handle: str, seconds: float) -> None:
        """Hide a received message for so long from now on."""
        message = self._received(handle)
        if message is None or message.handle != handle:
            raise RefusedError("InvalidParameterValue", "The receipt handle has expired")
        if seconds > 0:
            self._hide(message, seconds)
            return
        message.turn += 1
        self._reveal(message)
        self.serve()

    def purge(self) -> None:
        """Delete all messages."""
        self._messages.clear()
        self._visible.clear()
        self._hidden.clear()

    def close(self) -> Iterable[Poll]:
        """Forget everything; return the polls that wait."""
        self.purge()
        polls, self._polls = self._polls, deque()
        for poll in polls:
            if poll.ends is not None:
                poll.ends.cancel()
        return polls

    def _receive(self, message: Message, visibility_seconds: float) -> None:
        message.receives += 1
        if message.receives == 1:
            message.first_received_milliseconds = int(time.time() * 1000)
        self._hide(message, visibility_seconds)

    def _reveal(self, message: Message) -> None:
        message.hidden = False
        self._visible.append(message)

    def _received(self, handle: str) -> Message | None:
        identifier, separator, _ = handle.partition("#")
        if not separator:
            raise RefusedError("ReceiptHandleIsInvalid", "The receipt handle is not valid")
        return self._messages.get(identifier)

    def _hide(self, message: Message, seconds: float) -> None:
        message.turn += 1
        message.hidden = True
        until = self.loop.time() + seconds
        heappush(self._hidden, (until, next(self._numbers), message.turn, message))
        if self._timer is None or until < self._timer.when():
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self.loop.call_at(until, self._show)

    def _show(self) -> None:
        self._timer = None
        now = self.loop.time()
        while self._hidden and self._hidden[0][0] <= now:
            _, _, turn, message = heappop(self._hidden)
            if message.turn == turn and message.identifier in self._messages:
                self._reveal(message)
        if self._hidden:
            self._timer = self.loop.call_at(self._hidden[0][0], self._show)
        self.serve()

    def _end(self, poll: Poll) -> None:
        if poll in self._polls:
            self._polls.remove(poll)
            poll.answer(())
