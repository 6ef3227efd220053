"""Quality of service of one channel: its credits, and the messages that it holds.

Unlike the virtual base's, it is used by several threads: receivers reserve credits, the
delivering thread adds messages, and acknowledgements come from whatever thread Celery's pool
calls back on. Facts: kombu/transport/virtual/base.py ``QoS``, facts of the worker's use in
celery/worker/consumer/consumer.py (``call_soon_ack``, ``apply_eta_task``).
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from celery_aws.broker.acker import Acker
from celery_aws.broker.message import SqsMessage
from celery_aws.core.credits import Credits
from celery_aws.core.lingering import WorkInHand, linger_seconds, worth_asking
from celery_aws.core.polling import Contention, Poll, may_double, next_poll
from celery_aws.core.rejection import Fate, Rejection
from celery_aws.limits import SQS_BATCH_ENTRIES

#: Seconds between two looks at ``can_consume``, which Celery may replace on an instance
#: (celery/worker/consumer/tasks.py) and which tells nobody when it changes.
_RECHECK_SECONDS = 1.0

#: The same while tasks that run count, with ``worker_disable_prefetch``: nobody tells when one
#: ends, and the next receive must not wait for it.
_RECHECK_SLOTS_SECONDS = 0.02


@dataclass(eq=False)
class PollTicket:
    """A receiver's place in the line for credits.

    Attributes:
        most: messages that one receive can bring.
        busy: the last one brought some.
        withdrawn: set to leave the line.
        idle_rest_seconds: the rest wanted after a poll that brings nothing, if others share the
            credits.
    """

    most: int = SQS_BATCH_ENTRIES
    busy: bool = False
    withdrawn: bool = False
    idle_rest_seconds: float = 0.0
    #: Since when it waits for more credits than are free.
    lingers_since: float | None = field(default=None, init=False)
    #: Notified when it shall look again.
    turn: threading.Condition | None = field(default=None, init=False)


class SqsQoS:
    """The credits and the unsettled messages of one channel.

    Args:
        channel: its channel.
        acker: settles the messages.
        prefetch_count: most messages held at once; 0 is no limit.
        free_slots: tells how many more tasks the worker wants, where those count that run and
            are acknowledged already; None where they do not count.
        running: tells the messages of tasks that go on when the channel closes.
        work_in_hand: tells how much the worker has to do; None where nobody knows.
    """

    def __init__(
        self,
        channel: Any,
        acker: Acker,
        prefetch_count: int = 0,
        *,
        free_slots: Callable[[], int | None] = lambda: None,
        running: Callable[[], Collection[SqsMessage]] = tuple,
        work_in_hand: Callable[[], WorkInHand | None] = lambda: None,
    ) -> None:
        self.channel = channel
        self._acker = acker
        self._free_slots = free_slots
        self._running = running
        self._work_in_hand = work_in_hand
        self._credits = Credits(prefetch_count=prefetch_count)
        self._held: dict[str, SqsMessage] = {}
        self._line: deque[PollTicket] = deque()
        self._receivers = 0
        #: Messages that Celery is being handed now.
        self._delivering = 0
        # Re-entrant: a signal handler of Celery's may settle what the main thread is settling.
        self._lock = threading.RLock()

    # What kombu and Celery ask.

    @property
    def prefetch_count(self) -> int:
        """Most messages held at once; 0 is no limit."""
        return self._credits.prefetch_count

    @prefetch_count.setter
    def prefetch_count(self, prefetch_count: int) -> None:
        with self._lock:
            self._credits = self._credits.with_prefetch_count(prefetch_count or 0)
            self._wake_first()

    def can_consume(self) -> bool:
        """Tell whether one more message may be asked for."""
        return self.can_consume_max_estimate() != 0

    def can_consume_max_estimate(self) -> int | None:
        """Return how many more messages may be asked for; None is any number."""
        with self._lock:
            credits_ = self._within_slots(self._free_slots())
            return credits_.free if credits_ is not None else 0

    def get(self, delivery_tag: str) -> SqsMessage:
        """Return an unsettled message."""
        return self._held[delivery_tag]

    def append(self, message: SqsMessage, delivery_tag: str, *, reserved: bool = False) -> None:
        """Hold a message that is about to be delivered.

        Args:
            message: the message.
            delivery_tag: its tag.
            reserved: a receiver has reserved its credit.
        """
        with self._lock:
            # In this order: a signal handler of Celery's may give back what it finds here.
            self._credits = self._credits.deliver() if reserved else self._credits.hold()
            self._held[delivery_tag] = message

    @contextmanager
    def delivering(self) -> Iterator[None]:
        """Count one slot as taken: Celery does so itself only somewhere within its callback."""
        with self._lock:
            self._delivering += 1
        try:
            yield
        finally:
            with self._lock:
                self._delivering -= 1

    def ack(self, delivery_tag: str) -> None:
        """Delete the message, soon; an unknown tag was settled before and is ignored."""
        message = self._settle(delivery_tag)
        if message is not None and message.receipt is not None:
            self._acker.delete(message.receipt)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """Delete the message, or give it back to its queue at once."""
        fate = Fate.GIVE_BACK if requeue else Fate.DELETE
        self.settle(delivery_tag, Rejection(fate=fate))

    def settle(self, delivery_tag: str, rejection: Rejection) -> None:
        """Do with a rejected message what was decided; an unknown tag was settled before."""
        message = self._settle(delivery_tag)
        if message is None:
            return
        if message.receipt is None:
            if rejection.fate is Fate.GIVE_BACK:
                message.put_back()
        elif rejection.fate is Fate.DELETE:
            self._acker.delete(message.receipt)
        elif rejection.fate is Fate.GIVE_BACK:
            self._acker.give_back(message.receipt, visible_in_seconds=rejection.visible_in_seconds)
        elif message.received is None or rejection.fate is Fate.LEAVE:
            self._acker.leave(message.receipt)
        else:
            move = rejection.fate is Fate.MOVE_OR_DELETE
            self._acker.reject(message.receipt, message.received, move=move)

    def restore_unacked(self) -> None:
        """Give back every message that is not settled, but for those of tasks that go on."""
        running = {id(message) for message in self._running()}
        with self._lock:
            unsettled = list(self._held.values())
        self.restore([message for message in unsettled if id(message) not in running])

    def restore(self, messages: Collection[SqsMessage]) -> None:
        """Give back some of the messages that are not settled; others are ignored."""
        wanted = {id(message) for message in messages}
        with self._lock:
            tags = [tag for tag, message in self._held.items() if id(message) in wanted]
            restored = [self._held.pop(tag) for tag in tags]
            self._credits = self._credits.settle(len(restored))
            self._wake_first()
        for message in restored:
            if message.receipt is None:
                message.put_back()
            else:
                self._acker.give_back(message.receipt)

    def restore_unacked_once(self, stderr: Any = None) -> None:  # noqa: ARG002 - kombu's signature
        """Give back what is not settled; kombu's name for it at close."""
        self.restore_unacked()

    # What receivers ask.

    def join(self) -> None:
        """One more receiver shares the credits."""
        with self._lock:
            self._receivers += 1

    def leave(self) -> None:
        """One receiver less."""
        with self._lock:
            self._receivers -= 1
            self._wake_first()

    def withdraw(self, ticket: PollTicket) -> None:
        """Let :meth:`reserve` of this ticket return None now and always."""
        with self._lock:
            ticket.withdrawn = True
            if ticket.turn is not None:
                ticket.turn.notify()

    def reserve(
        self, ticket: PollTicket, *, wait_time_seconds: int, rest_seconds: float
    ) -> Poll | None:
        """Wait in line for credits, and reserve them for one poll.

        Args:
            ticket: the receiver's; one ticket stands in line once.
            wait_time_seconds: the longest poll wanted.
            rest_seconds: the rest wanted after a poll that brings nothing.

        Returns:
            The poll, whose ``max_messages`` credits are reserved; None once withdrawn.
        """
        with self._lock:
            ticket.turn = turn = threading.Condition(self._lock)
            if self._line and self._line[0].turn is not None:
                self._line[0].turn.notify()  # should it linger, then for less time from now on
            self._line.append(ticket)
            try:
                while not ticket.withdrawn:
                    slots = self._free_slots()
                    poll = self._take_turn(ticket, slots, wait_time_seconds, rest_seconds)
                    if poll is not None:
                        return poll
                    turn.wait(self._pause_seconds(ticket, slots))
                return None
            finally:
                ticket.lingers_since = None
                self._line.remove(ticket)
                self._wake_first()

    def can_double(self) -> bool:
        """Tell whether the credits of a second receive are free that nobody else needs."""
        with self._lock:
            credits_ = self._within_slots(self._free_slots())
            return (
                credits_ is not None
                and may_double(credits_, self._receivers)
                and self.can_consume()
            )

    def reserve_double(self) -> bool:
        """Reserve the credits of a second receive, if they are free; waits for nothing."""
        with self._lock:
            if not self.can_double():
                return False
            self._credits = self._credits.reserve(SQS_BATCH_ENTRIES)
            return True

    def overdraw(self, messages: int) -> None:
        """Reserve credits at once, free or not."""
        with self._lock:
            self._credits = self._credits.overdraw(messages)

    def release(self, messages: int) -> None:
        """Give back credits whose messages did not come, or were not delivered."""
        if not messages:
            return
        with self._lock:
            self._credits = self._credits.release(messages)
            self._wake_first()

    def _within_slots(self, slots: int | None) -> Credits | None:
        return self._credits.within_slots(slots, delivering=self._delivering)

    def _take_turn(
        self, ticket: PollTicket, slots: int | None, wait_time_seconds: int, rest_seconds: float
    ) -> Poll | None:
        """Reserve the credits of the ticket's poll, if it is its turn to ask."""
        credits_ = self._within_slots(slots)
        if self._line[0] is not ticket or credits_ is None or not self.can_consume():
            ticket.lingers_since = None
            return None
        if self._lingers(ticket, credits_):
            return None
        poll = self._poll(credits_, ticket, wait_time_seconds, rest_seconds)
        if poll is not None:
            self._credits = self._credits.reserve(poll.max_messages)
        return poll

    def _lingers(self, ticket: PollTicket, credits_: Credits) -> bool:
        if credits_.free == 0 or self._worth_asking(ticket, credits_):
            ticket.lingers_since = None
            return False
        if ticket.lingers_since is None:
            ticket.lingers_since = time.monotonic()
        return self._linger_left(ticket.lingers_since) > 0

    def _linger_left(self, since: float) -> float:
        return since + linger_seconds(others=len(self._line) > 1) - time.monotonic()

    def _worth_asking(self, ticket: PollTicket, credits_: Credits) -> bool:
        return worth_asking(credits_, self._work_in_hand(), busy=ticket.busy, most=ticket.most)

    def _pause_seconds(self, ticket: PollTicket, slots: int | None) -> float:
        if ticket.lingers_since is not None:
            return max(0.0, self._linger_left(ticket.lingers_since))
        return _RECHECK_SECONDS if slots is None else _RECHECK_SLOTS_SECONDS

    def _wake_first(self) -> None:
        """Let the first in line look again, unless it still lingers: to wake it costs more."""
        if not self._line:
            return
        first = self._line[0]
        if first.lingers_since is not None and not self._worth_asking(first, self._credits):
            return
        if first.turn is not None:
            first.turn.notify()

    def _poll(
        self,
        credits_: Credits,
        ticket: PollTicket,
        wait_time_seconds: int,
        rest_seconds: float,
    ) -> Poll | None:
        others = [each for each in self._line if each is not ticket]
        contention = Contention(
            receivers=self._receivers,
            waiting=len(others),
            waiting_busy=sum(each.busy for each in others),
        )
        return next_poll(
            credits_,
            contention,
            busy=ticket.busy,
            wait_time_seconds=wait_time_seconds,
            rest_seconds=rest_seconds,
            idle_rest_seconds=ticket.idle_rest_seconds,
        )

    def _settle(self, delivery_tag: str) -> SqsMessage | None:
        with self._lock:
            message = self._held.pop(delivery_tag, None)
            if message is not None:
                self._credits = self._credits.settle()
                self._wake_first()
            return message
