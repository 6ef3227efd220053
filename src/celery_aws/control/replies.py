"""Replies to control commands: who sends them, and who waits for them.

A worker's event loop only hands a reply over: writing it takes a request, and a worker whose
DynamoDB does not answer shall go on with its tasks.
"""

import logging
import random
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from celery_aws.background import BackgroundThread
from celery_aws.clock import Clock
from celery_aws.core.attributes import Item
from celery_aws.core.backoff import Backoff, Random, is_worth_logging
from celery_aws.core.reply_items import reply_messages
from celery_aws.core.reply_polling import ReplyPolling
from celery_aws.errors import AccessDeniedError, AwsError, CeleryAwsError, TemporaryError
from celery_aws.table.mailboxes import Mailboxes

logger = logging.getLogger(__name__)

#: Replies that wait to be written, at most.
BUFFERED_MAX = 1_000

#: Seconds for which a reply is tried to be written: nobody waits for it longer.
PATIENCE_SECONDS = 10.0

_BACKOFF = Backoff(base_seconds=0.1, cap_seconds=2.0)
_PAUSE_SECONDS = 0.05

_REMEDY = "Workers that reply to remote control need dynamodb:PutItem on this table"


@dataclass(frozen=True, kw_only=True)
class Reply:
    """One reply on its way."""

    oid: str
    message: Mapping[str, Any]
    given_up_at: float


class ReplySender(BackgroundThread):
    """Writes the replies of one process, in their order.

    Args:
        mailboxes: where to.
        clock: measures patience.
        jitter: random numbers for pauses after failures.
    """

    def __init__(
        self, mailboxes: Mailboxes, *, clock: Clock, jitter: Random = random.random
    ) -> None:
        super().__init__("celery-aws-replies")
        self._mailboxes = mailboxes
        self._clock = clock
        self._jitter = jitter
        self._buffer: deque[Reply] = deque()
        self._failures = 0
        self._changed = threading.Condition()

    def put(self, oid: str, message: Mapping[str, Any]) -> None:
        """Write a reply, soon; waits for nothing.

        Args:
            oid: who waits for it.
            message: the virtual message, its body encoded.
        """
        given_up_at = self._clock.monotonic() + PATIENCE_SECONDS
        with self._changed:
            fits = len(self._buffer) < BUFFERED_MAX
            if fits:
                self._buffer.append(Reply(oid=oid, message=message, given_up_at=given_up_at))
                self._changed.notify_all()
        if not fits:
            logger.warning("a reply to a control command is dropped: %s wait", BUFFERED_MAX)
        self.start()

    def flush(self, timeout_seconds: float) -> bool:
        """Wait until what waits is written; True if nothing is left."""
        if self.forked or not self.alive:
            return True
        with self._changed:
            return self._changed.wait_for(lambda: not self._buffer, timeout_seconds)

    def run(self) -> None:
        """Write until stopped, and then what is left, once."""
        while True:
            with self._changed:
                while not self.stopping and not self._buffer:
                    self._changed.wait()
            if self.stopping:
                break
            pause_seconds = self.turn()
            with self._changed:
                if pause_seconds and not self.stopping:
                    self._clock.wait(self._changed, pause_seconds)
        while self._buffer and not self.turn():
            pass

    def wake(self) -> None:
        """End a pause."""
        with self._changed:
            self._changed.notify_all()

    def turn(self) -> float:
        """Write the oldest reply; return the seconds to wait after it.

        Costs one PutItem for each 350 KB of it.
        """
        reply = self._buffer[0]
        try:
            self._mailboxes.put(reply.oid, reply.message)
        except Exception as error:  # noqa: BLE001 - replies must not end with one bug
            self._note_failure(error)
            again = isinstance(error, TemporaryError)
            if again and self._clock.monotonic() < reply.given_up_at:
                # Not without any pause, whatever the jitter: nobody is in a hurry.
                return _BACKOFF.wait_seconds(self._failures - 1, self._jitter) + _PAUSE_SECONDS
        else:
            self._failures = 0
        with self._changed:
            self._buffer.popleft()
            self._changed.notify_all()
        return 0.0

    def _note_failure(self, error: Exception) -> None:
        self._failures += 1
        if is_worth_logging(self._failures):
            known = isinstance(error, CeleryAwsError)
            shown = error.with_remedy(_REMEDY) if isinstance(error, AccessDeniedError) else error
            logger.log(
                logging.WARNING if known else logging.CRITICAL,
                "a reply to a control command cannot be written now%s: %s",
                "" if known else ", by a bug in celery-aws",
                shown,
                exc_info=None if known else error,
            )


class ReplyReader(BackgroundThread):
    """Waits for the replies to one client, while it consumes them.

    Args:
        oid: the client.
        mailboxes: where they are written.
        deliver: is handed each reply; from the thread.
        expects: tells when somebody was last asked for a reply, by the clock's ``monotonic``; None
            if nobody was.
        clock: measures waits.
    """

    def __init__(
        self,
        oid: str,
        mailboxes: Mailboxes,
        *,
        deliver: Callable[[Mapping[str, Any]], None],
        expects: Callable[[], float | None],
        clock: Clock,
    ) -> None:
        super().__init__(f"celery-aws-reply-reader-{oid}")
        self._oid = oid
        self._mailboxes = mailboxes
        self._deliver = deliver
        self._clock = clock
        self._polling = ReplyPolling(expects)
        self._read: dict[str, Item] = {}
        self._failures = 0
        self._changed = threading.Condition()

    def run(self) -> None:
        """Ask until stopped, then remove what was read."""
        while not self.stopping:
            with self._changed:
                if not self.stopping:
                    seconds = self._polling.pause_seconds(self._clock.monotonic())
                    self._clock.wait(self._changed, seconds)
            if not self.stopping:
                self.turn()
        self.remove_read()

    def wake(self) -> None:
        """End a pause."""
        with self._changed:
            self._changed.notify_all()

    def turn(self) -> int:
        """Ask once and deliver what is new; return how many replies that were. One Query."""
        try:
            found = self._read_new()
        except Exception as error:  # noqa: BLE001 - the client waits for other replies
            self._note_failure(error)
            return 0
        self._failures = 0
        self._polling.found(found)
        return found

    def remove_read(self) -> None:
        """Remove what was read; what fails expires. One BatchWriteItem for each 25."""
        read, self._read = list(self._read.values()), {}
        try:
            self._mailboxes.remove(read)
        except AwsError as error:
            logger.info("replies that were read could not be removed, and expire: %s", error)

    def _read_new(self) -> int:
        items = self._mailboxes.read(self._oid)
        messages, used = reply_messages(each for each in items if _name(each) not in self._read)
        self._read.update((_name(item), item) for item in used)
        for message in messages:
            self._deliver(message)
        return len(messages)

    def _note_failure(self, error: Exception) -> None:
        self._failures += 1
        if is_worth_logging(self._failures):
            known = isinstance(error, CeleryAwsError)
            logger.log(
                logging.WARNING if known else logging.CRITICAL,
                "replies to control commands cannot be read now%s: %s",
                "" if known else ", by a bug in celery-aws",
                error,
                exc_info=None if known else error,
            )


def _name(item: Item) -> str:
    return str(item["sk"]["S"])
