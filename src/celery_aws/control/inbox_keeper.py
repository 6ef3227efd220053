"""The thread that keeps a process's inbox: makes it, binds its queues, renews it, removes it.

Others say what they want bound, and may wait until it is. The thread brings about whatever differs
between what is wanted and what is written, again and again until it succeeds: whatever AWS does, a
worker goes on with its tasks, and its remote control comes when AWS lets it.
"""

import logging
import random
import threading
from collections.abc import Callable, Collection
from typing import TypeAlias

from celery_aws.background import BackgroundThread
from celery_aws.clock import Clock
from celery_aws.control.inbox import Inbox, WantedBinding
from celery_aws.control.transient_queues import TransientQueue
from celery_aws.core.backoff import Backoff, Random
from celery_aws.core.failure_log import log_failure
from celery_aws.core.routing import Binding, ExchangeKind
from celery_aws.errors import AwsError, UnreachableError
from celery_aws.names import AmqpQueue, InboxId, QueueUrl

logger = logging.getLogger(__name__)

#: Seconds for which an inbox is kept that no queue needs: the next one may come soon, and a name
#: cannot be used again.
IDLE_SECONDS = 30.0

#: Seconds between two turns at most.
LONGEST_PAUSE_SECONDS = 600.0

#: Stands for the inbox of a process that has none yet.
_NOT_YET = InboxId("")

_BACKOFF = Backoff(base_seconds=0.5, cap_seconds=60.0)

#: Exchange, queue and routing key.
_Names: TypeAlias = tuple[str, AmqpQueue, str]


class InboxKeeper(BackgroundThread):
    """Keeps the inbox of one process.

    Args:
        new_inbox: returns another inbox, of which nothing is on AWS yet.
        announce: tells other processes that the bindings of exchanges changed.
        expire: drops queues that have expired; returns the seconds until one may be the next.
        clock: measures ages and pauses.
        jitter: random numbers for pauses after failures.
    """

    def __init__(
        self,
        *,
        new_inbox: Callable[[], Inbox],
        announce: Callable[[Collection[str]], None],
        expire: Callable[[], float],
        clock: Clock,
        jitter: Random = random.random,
    ) -> None:
        super().__init__("celery-aws-inbox-keeper")
        self._new_inbox = new_inbox
        self._announce = announce
        self._expire = expire
        self._clock = clock
        self._jitter = jitter
        self._wanted: dict[_Names, WantedBinding] = {}
        self._inbox: Inbox | None = None
        self._idle_since: float | None = None
        self._failures = 0
        #: How often something else was wanted; which of that was tried, done, or refused.
        self._asked = self._tried = self._done = self._refused = 0
        self._refusal: Exception | None = None
        #: Queues of inboxes that are gone.
        self._lost: set[QueueUrl] = set()
        self._changed = threading.Condition()

    @property
    def inbox(self) -> InboxId:
        """The inbox; an empty one while there is none."""
        inbox = self._inbox
        return _NOT_YET if inbox is None else inbox.id

    @property
    def has_queue(self) -> bool:
        """True while there is a queue to remove."""
        inbox = self._inbox
        return inbox is not None and bool(inbox.url)

    @property
    def hears(self) -> bool:
        """True while others know of the inbox, and what they send to it arrives."""
        inbox = self._inbox
        return inbox is not None and inbox.hears

    def local(self, exchange: str) -> list[Binding]:
        """Return what of this process is bound to an exchange, or shall be."""
        inbox = self._inbox
        names = (_NOT_YET, QueueUrl("")) if inbox is None else (inbox.id, inbox.url)
        with self._changed:
            wanted = [each for each in self._wanted.values() if each.exchange == exchange]
        return [each.of(*names) for each in wanted]

    @property
    def only_monitors(self) -> bool:
        """True if only topic exchanges are bound to: no commands come, and no results."""
        with self._changed:
            return all(each.kind == "topic" for each in self._wanted.values())

    def is_bound(self, queue: TransientQueue) -> bool:
        """Tell whether anything is bound to a queue."""
        with self._changed:
            return any(each.queue is queue for each in self._wanted.values())

    def bind(
        self,
        queue: TransientQueue,
        *,
        exchange: str,
        kind: ExchangeKind,
        routing_key: str,
        wait_seconds: float,
    ) -> None:
        """Bind a queue, and wait until everybody can see it.

        What fails is tried again, also after this has raised.

        Args:
            queue: the queue.
            exchange: what it is bound to; the default exchange makes it known by its name.
            kind: of the exchange.
            routing_key: the binding key.
            wait_seconds: how long to wait at most.

        Raises:
            AwsError: it failed for now; :class:`UnreachableError` if the time is up, or the process
                ends.

        Costs what :meth:`Inbox.hold` does.
        """
        wanted = WantedBinding(exchange=exchange, kind=kind, queue=queue, routing_key=routing_key)
        names = (exchange, queue.name, routing_key)
        with self._changed:
            if self._wanted.get(names) == wanted and self._done >= self._asked:
                return
            self._wanted[names] = wanted
            mine = self._ask()
        self.start()
        with self._changed:
            self._changed.wait_for(
                lambda: max(self._done, self._refused) >= mine or self.stopping, wait_seconds
            )
            if self._done >= mine:
                return
            refusal = self._refusal if self._refused >= mine else None
        raise self._error(refusal, wait_seconds)

    def unbind(self, queue: TransientQueue, *, exchange: str, routing_key: str) -> None:
        """Remove one binding, soon."""
        with self._changed:
            if self._wanted.pop((exchange, queue.name, routing_key), None) is not None:
                self._ask()

    def drop(self, queue: TransientQueue) -> None:
        """Remove all bindings of a queue, soon."""
        with self._changed:
            dropped = [names for names, each in self._wanted.items() if each.queue is queue]
            for names in dropped:
                del self._wanted[names]
            if dropped:
                self._ask()

    def lose(self, url: QueueUrl) -> None:
        """The queue of this URL is gone: if it is the inbox's, another one has to be made."""
        with self._changed:
            self._lost.add(url)
            self._ask()

    def run(self) -> None:
        """Take turns until stopped, then remove the inbox."""
        while not self.stopping:
            seconds = self.turn()
            with self._changed:
                if not self.stopping and self._tried == self._asked:
                    self._clock.wait(self._changed, seconds)
        self._remove()

    def wake(self) -> None:
        """End a pause."""
        with self._changed:
            self._changed.notify_all()

    def turn(self) -> float:
        """Bring about what is wanted: one round of :meth:`run`.

        Returns:
            The seconds until the next turn.
        """
        with self._changed:
            self._tried = self._asked
            lost, self._lost = self._lost, set()
        try:
            expiry_seconds = self._expire()
            self._leave(lost)
            self._bring_about()
        except Exception as error:  # noqa: BLE001 - whatever it is, the process has no control
            return self._after_failure(error)
        self._failures = 0
        with self._changed:
            self._done = self._tried
            self._changed.notify_all()
        return min(expiry_seconds, self._pause_seconds())

    def _ask(self) -> int:
        """Let the thread look; for whoever holds the lock. Return the number of the question."""
        self._asked += 1
        self._changed.notify_all()
        return self._asked

    def _bring_about(self) -> None:
        now = self._clock.monotonic()
        with self._changed:
            wanted = list(self._wanted.values())
        if wanted:
            self._idle_since = None
        elif self._idle_since is None:
            self._idle_since = now
        elif now >= self._idle_since + IDLE_SECONDS:
            self._remove()
        if self._inbox is None:
            if not wanted:
                return
            # Known from here on, or a failure would leave one queue after the other behind.
            self._inbox = self._new_inbox()
        self._inbox.hold(wanted)
        self._tell(self._inbox)

    def _leave(self, lost: Collection[QueueUrl]) -> None:
        if self._inbox is not None and self._inbox.url in lost:
            logger.warning("inbox %s: its queue is gone; making another one", self._inbox.id)
            self._remove()

    def _remove(self) -> None:
        inbox, self._inbox = self._inbox, None
        if inbox is None:
            return
        try:
            inbox.remove()
        except AwsError as error:
            logger.info("inbox %s: its lease has to run out: %s", inbox.id, error)
        self._tell(inbox)

    def _tell(self, inbox: Inbox) -> None:
        changed, inbox.changed = inbox.changed, set()
        if changed:
            self._announce(changed)

    def _after_failure(self, error: Exception) -> float:
        self._failures += 1
        pause = _BACKOFF.wait_seconds(self._failures - 1, self._jitter)
        with self._changed:
            self._refused, self._refusal = self._tried, error
            self._changed.notify_all()
        log_failure(
            logger,
            "remote control and events of this process do not work now, and are tried again",
            error,
            failures=self._failures,
        )
        return pause

    def _error(self, refusal: Exception | None, wait_seconds: float) -> AwsError:
        if isinstance(refusal, AwsError):
            # Without the frames of everybody who was told, which it would keep alive.
            return refusal.with_traceback(None)
        if refusal is not None:
            return AwsError(f"a bug in celery-aws: {refusal!r}", service="sqs")
        if self.stopping:
            return UnreachableError("the process is ending", service="sqs", remedy="")
        return UnreachableError(
            f"no answer within {wait_seconds:.0f} s", service="sqs", operation="CreateQueue"
        )

    def _pause_seconds(self) -> float:
        now = self._clock.monotonic()
        if self._inbox is None:
            return LONGEST_PAUSE_SECONDS
        if self._idle_since is not None:
            return max(0.0, self._idle_since + IDLE_SECONDS - now)
        return max(0.0, self._inbox.renewal_at - now)
