"""Sends events to whoever monitors, beside the work and never in its way.

What is published is put into a bounded buffer and nothing else; a thread reads the bindings, makes
bundles and sends them: the first at once, then one SQS message a second to each inbox, or more if
they are full. Nobody bound means that nothing is even buffered. What does not fit, or cannot be
sent, is dropped and counted.
"""

import logging
import random
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kombu.utils.json import dumps
from kombu.utils.uuid import uuid

from celery_aws.background import BackgroundThread
from celery_aws.clock import Clock
from celery_aws.control.courier import Courier
from celery_aws.control.transient_queues import TransientQueues
from celery_aws.core.backoff import Backoff, Random, is_worth_logging
from celery_aws.core.batching import batches_by_size
from celery_aws.core.envelope import encode_body
from celery_aws.core.failure_log import log_failure
from celery_aws.core.heartbeats import Heartbeats
from celery_aws.core.parcels import Parcel, ParcelItem
from celery_aws.core.routing import Binding, targets
from celery_aws.errors import (
    AwsError,
    MessageTooLargeError,
    QueueNotFoundError,
)
from celery_aws.names import QueueUrl

logger = logging.getLogger(__name__)

#: Events that wait to be sent, at most: some 10 MB.
BUFFERED_MAX = 10_000

#: Seconds between two bundles to one inbox, unless one is full.
INTERVAL_SECONDS = 1.0

#: Events in one bundle, and their bytes before they are compressed: below 64 KB after it, which SQS
#: bills as one request.
BUNDLE_EVENTS = 500
BUNDLE_BYTES = 256 * 1024

#: Seconds after which an inbox that SQS does not know is not one that was just made, and for which
#: it is left alone then.
NEW_INBOX_SECONDS = 10.0
GONE_SECONDS = 600.0

_BACKOFF = Backoff(base_seconds=1.0, cap_seconds=60.0)


@dataclass(frozen=True, kw_only=True)
class Event:
    """One event as it was published."""

    exchange: str
    routing_key: str
    message: Mapping[str, Any]


class EventSender(BackgroundThread):
    """The events of one process.

    Args:
        nobody: tells whether it is known that nobody is bound to an exchange.
        bound: tells who is bound to an exchange.
        courier: sends the bundles.
        queues: of this process, which are handed their events without SQS.
        heartbeat_seconds: how often a worker's heartbeat is worth a request.
        count_dropped: is told how many events were dropped.
        clock: measures intervals.
        jitter: random numbers for pauses after failures.
    """

    def __init__(
        self,
        *,
        nobody: Callable[[str], bool],
        bound: Callable[[str], Sequence[Binding]],
        courier: Courier,
        queues: TransientQueues,
        heartbeat_seconds: float,
        count_dropped: Callable[[int], None],
        clock: Clock,
        jitter: Random = random.random,
    ) -> None:
        super().__init__("celery-aws-events")
        self._nobody = nobody
        self._bound = bound
        self._courier = courier
        self._queues = queues
        self._heartbeats = Heartbeats(heartbeat_seconds)
        self._count_dropped = count_dropped
        self._clock = clock
        self._jitter = jitter
        self._buffer: deque[Event] = deque()
        self._next_send = float("-inf")
        self._failures = 0
        #: How often in a row an inbox refused what others took; since when one cannot be found.
        self._refusals: Counter[QueueUrl] = Counter()
        self._missing: dict[QueueUrl, float] = {}
        #: Exchanges and routing keys of the heartbeats that are kept.
        self._kept: set[tuple[str, str]] = set()
        self._sending = False
        #: Who waits for the buffer to be empty.
        self._hurrying = 0
        self._changed = threading.Condition()

    def put(self, event: Event) -> None:
        """Send an event, soon, if somebody listens; waits for nothing."""
        if self._nobody(event.exchange):
            return
        with self._changed:
            fits = len(self._buffer) < BUFFERED_MAX
            if fits:
                self._buffer.append(event)
                self._changed.notify_all()
        if not fits:
            self._count_dropped(1)
        self.start()

    def flush(self, timeout_seconds: float) -> bool:
        """Send what waits now, and wait for it; True if nothing is left.

        Not if the last one could not be sent: whoever closes a connection, or ends, waits for AWS
        long enough.
        """
        if self.forked or not self.alive:
            return True
        if self._failures:
            return False
        with self._changed:
            self._hurrying += 1
            self._changed.notify_all()
            done = self._changed.wait_for(
                lambda: not self._buffer and not self._sending, timeout_seconds
            )
            self._hurrying -= 1
            return done

    def run(self) -> None:
        """Send until stopped, and then what is left, unless that fails."""
        while not self.stopping:
            with self._changed:
                while not self.stopping and not self._is_time():
                    self._pause()
            if not self.stopping:
                self.turn()
        self._failures = 0
        for _ in range(0, BUFFERED_MAX, BUNDLE_EVENTS):
            if not self._failures:
                self.turn()
        self._count_dropped(len(self._buffer))

    def wake(self) -> None:
        """End a pause."""
        with self._changed:
            self._changed.notify_all()

    def turn(self) -> None:
        """Send what waits: one round of :meth:`run`.

        Costs one Query for an exchange whose bindings are not known any more, and one SendMessage
        for each inbox and bundle.
        """
        with self._changed:
            events = [self._buffer.popleft() for _ in range(min(len(self._buffer), BUNDLE_EVENTS))]
            self._sending = bool(events)
        if not events:
            return
        now = self._clock.monotonic()
        self._next_send = now + INTERVAL_SECONDS
        try:
            failure: Exception | None = self._send(events, now)
        except Exception as error:  # noqa: BLE001 - events must not end with one bug
            self._count_dropped(len(events))
            failure = error
        if failure is None:
            self._failures = 0
        else:
            self._after_failure(failure)
        with self._changed:
            self._sending = False
            self._changed.notify_all()

    def _is_time(self) -> bool:
        if not self._buffer:
            return False
        full = len(self._buffer) >= BUNDLE_EVENTS and not self._failures
        return full or self._hurrying > 0 or self._clock.monotonic() >= self._next_send

    def _pause(self) -> None:
        if self._buffer:
            self._clock.wait(self._changed, max(0.0, self._next_send - self._clock.monotonic()))
        else:
            # Nothing to do until something is put.
            self._changed.wait()

    def _send(self, events: Sequence[Event], now: float) -> Exception | None:
        """Send events; return the last failure if no inbox could be reached."""
        bundles = self._addressed(self._worth_sending(events, now), now)
        for url, items in self._addressed(self._riding(bundles, now), now).items():
            bundles[url] = [*items, *bundles[url]]
        failures = {url: self._send_items(url, items, now) for url, items in bundles.items()}
        refused = {url: failure for url, failure in failures.items() if failure is not None}
        if refused and len(refused) == len(failures):
            return next(iter(refused.values()))
        self._refusals = Counter({url: self._refusals[url] + 1 for url in refused})
        for url, failure in refused.items():
            if is_worth_logging(self._refusals[url]):
                logger.warning("events for inbox %s cannot be sent now: %s", url, failure)
        return None

    def _worth_sending(self, events: Sequence[Event], now: float) -> list[Event]:
        due: list[Event] = []
        for event in events:
            thinned = self._heartbeats.thinned(event.routing_key, event.message)
            if thinned is None:
                due.append(event)
                continue
            node = str((event.message.get("headers") or {}).get("hostname"))
            told = Event(exchange=event.exchange, routing_key=event.routing_key, message=thinned)
            if self._heartbeats.is_due(event.routing_key, node, now):
                due.append(told)
            else:
                self._heartbeats.keep(node, told)
                self._kept.add((event.exchange, event.routing_key))
        return due

    def _riding(self, bundles: Mapping[QueueUrl, object], now: float) -> list[Event]:
        """Return the heartbeats that cost nothing in the requests that are made anyway."""
        if not bundles:
            # Not even asked who listens, which may cost a request each time.
            return []
        heard_by = {url for names in self._kept for url in self._tokens(*names, now)} - {None}
        if not heard_by <= bundles.keys():
            return []
        self._kept.clear()
        return self._heartbeats.take_kept(now)

    def _addressed(self, events: Sequence[Event], now: float) -> dict[QueueUrl, list[ParcelItem]]:
        """Return what goes to which inbox; the queues of this process are handed it at once."""
        bundles: dict[QueueUrl, list[ParcelItem]] = {}
        for event in events:
            tokens = self._tokens(event.exchange, event.routing_key, now)
            encoded = _encoded(event) if tokens else {}
            for url, several in tokens.items():
                if url is None:
                    self._queues.deliver(several, encoded)
                else:
                    item = ParcelItem(tokens=tuple(several), message=encoded)
                    bundles.setdefault(url, []).append(item)
        return bundles

    def _tokens(
        self, exchange: str, routing_key: str, now: float
    ) -> dict[QueueUrl | None, list[str]]:
        """Return the queues that an event is for, by their inbox; None is this process."""
        found: dict[QueueUrl | None, list[str]] = {}
        for binding in targets(self._bound(exchange), routing_key, choose=lambda each: each[0]):
            if binding.inbox_url is None or binding.token is None:
                continue  # a queue on SQS: events for it are not sent this way
            own = self._queues.holds(binding.token)
            if own or not self._is_gone(binding.inbox_url, now):
                found.setdefault(None if own else binding.inbox_url, []).append(binding.token)
        return found

    def _send_items(
        self, url: QueueUrl, items: Sequence[ParcelItem], now: float
    ) -> Exception | None:
        """Send to one inbox; return the last failure."""
        failed: Exception | None = None
        for bundle in batches_by_size(
            items, _size_bytes, most=BUNDLE_EVENTS, most_bytes=BUNDLE_BYTES
        ):
            failure = self._send_bundle(url, bundle)
            if failure is None:
                self._missing.pop(url, None)
            elif isinstance(failure, QueueNotFoundError):
                self._note_missing(url, now)
            else:
                self._count_dropped(len(bundle))
                failed = failure
        return failed

    def _send_bundle(self, url: QueueUrl, bundle: Sequence[ParcelItem]) -> AwsError | None:
        try:
            return self._courier.send_all([url], Parcel(items=tuple(bundle))).get(url)
        except MessageTooLargeError as error:
            # Nothing is wrong with AWS.
            self._count_dropped(len(bundle))
            logger.warning("an event is lost: %s", error)
            return None

    def _note_missing(self, url: QueueUrl, now: float) -> None:
        known = {each: at for each, at in self._missing.items() if now < at + GONE_SECONDS}
        self._missing = {url: now, **known}

    def _is_gone(self, url: QueueUrl, now: float) -> bool:
        since = self._missing.get(url)
        if since is None or now < since + NEW_INBOX_SECONDS:
            return False
        if now < since + GONE_SECONDS:
            return True
        del self._missing[url]
        return False

    def _after_failure(self, error: Exception) -> None:
        self._failures += 1
        pause = _BACKOFF.wait_seconds(self._failures - 1, self._jitter)
        self._next_send = self._clock.monotonic() + pause
        log_failure(
            logger,
            "events cannot be sent now, some are lost",
            error,
            failures=self._failures,
        )


def _encoded(event: Event) -> Mapping[str, Any]:
    body, encoding = encode_body(event.message["body"])
    properties = dict(event.message["properties"])
    delivery_info = {
        **properties.get("delivery_info", {}),
        "exchange": event.exchange,
        "routing_key": event.routing_key,
    }
    properties.update(body_encoding=encoding, delivery_tag=uuid(), delivery_info=delivery_info)
    return {**event.message, "body": body, "properties": properties}


def _size_bytes(item: ParcelItem) -> int:
    return len(dumps(item.message))
