"""Everything that one process has for remote control and events, put together.

One for each broker and coordination table of a process, like the queue directory: a pool of
connections shares the inbox, the threads and what is known of bindings.
"""

import logging
import random
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from kombu.utils.json import dumps, loads
from kombu.utils.uuid import uuid

from celery_aws.aws.sqs import QueueService
from celery_aws.background import BackgroundThread
from celery_aws.clock import Clock
from celery_aws.control.at_exit import close_at_exit
from celery_aws.control.courier import Courier
from celery_aws.control.event_sender import Event, EventSender
from celery_aws.control.expected_replies import ExpectedReplies
from celery_aws.control.inbox import Inbox
from celery_aws.control.inbox_keeper import InboxKeeper
from celery_aws.control.inbox_queue import InboxQueue
from celery_aws.control.inbox_receiver import InboxReceiver
from celery_aws.control.notices import Notices
from celery_aws.control.queues_elsewhere import QueuesElsewhere
from celery_aws.control.replies import ReplyReader, ReplySender
from celery_aws.control.routes import Routes
from celery_aws.control.transient_queues import TransientQueue, TransientQueues
from celery_aws.core.binding_items import sort_key_of
from celery_aws.core.control_messages import (
    ControlCommand,
    heard_by,
    is_control_exchange,
)
from celery_aws.core.outages import Outage
from celery_aws.core.parcels import Parcel, ParcelItem
from celery_aws.core.repeats import Repeats
from celery_aws.core.routing import Binding, targets
from celery_aws.errors import AwsError, CeleryAwsError, QueueNotFoundError
from celery_aws.names import AmqpQueue, QueueUrl
from celery_aws.table.bindings import Bindings
from celery_aws.table.inboxes import Inboxes
from celery_aws.table.mailboxes import Mailboxes

logger = logging.getLogger(__name__)

#: Seconds that a connection which closes gives to events and replies that wait; a process which
#: ends, to them and its inbox together. A container has 10 s by default.
FLUSH_SECONDS = 1.0
LAST_SECONDS = 3.0

#: Seconds for which a table that could not be asked is left alone where it can be done without.
OUTAGE_SECONDS = 30.0

#: The property that is the same for each try of publishing one message.
_PUBLICATION = "celery_aws_publication"

#: How often queues are looked at that expire, where one may.
_EXPIRY_LOOK_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class ControlOptions:
    """What the broker's options say of it.

    Attributes:
        queue_name_prefix: of the inbox.
        queue_tags: of the inbox.
        encryption: SQS attributes that say how it is encrypted.
        wait_time_seconds: of a long poll of the inbox.
        inbox_lease_seconds: after how long without a renewal the inbox is nobody's.
        event_heartbeat_seconds: how often a worker's heartbeat is worth a request.
        highest_priority: the number that comes first in queues with priorities: 0, or 9.
    """

    queue_name_prefix: str
    queue_tags: Mapping[str, str]
    encryption: Mapping[str, str] = field(default_factory=dict)
    wait_time_seconds: int
    inbox_lease_seconds: float
    event_heartbeat_seconds: float
    highest_priority: int = 0


class ControlPlane:
    """The control plane of one process; thread-safe.

    Args:
        service: asks SQS.
        bindings: where they are kept.
        inboxes: the registry.
        mailboxes: where replies are.
        options: the options.
        count_dropped: is told how many events were dropped.
        clock: for everything.

    Attributes:
        queues: the transient queues of this process.
        keeper: keeps the inbox.
        routes: what is known of bindings.
        notices: tells others that bindings changed.
        replies: sends replies.
        events: sends events.
    """

    def __init__(
        self,
        *,
        service: QueueService,
        bindings: Bindings,
        inboxes: Inboxes,
        mailboxes: Mailboxes,
        options: ControlOptions,
        count_dropped: Callable[[int], None],
        clock: Clock,
    ) -> None:
        self._service = service
        self._bindings = bindings
        self._inboxes = inboxes
        self._mailboxes = mailboxes
        self._options = options
        self._clock = clock
        self._repeats = Repeats()
        self._expected = ExpectedReplies(clock)
        #: Of the table, where it can be done without.
        self._outage: Outage | None = None
        self._repeats_lock = threading.Lock()
        self._elsewhere = QueuesElsewhere(bindings, clock)
        self._courier = Courier(service)
        self.queues = TransientQueues(clock, highest_priority=options.highest_priority)
        self.routes = Routes(bindings, is_told=lambda: self.keeper.hears, clock=clock)
        self.notices = Notices(inboxes, self._courier, self.routes, own=lambda: self.keeper.inbox)
        self.keeper = InboxKeeper(
            new_inbox=self._new_inbox,
            announce=self.notices.send,
            expire=self._expire,
            clock=clock,
        )
        self.replies = ReplySender(mailboxes, clock=clock)
        self.events = EventSender(
            nobody=self.nobody_is_bound,
            bound=self.bindings,
            courier=self._courier,
            queues=self.queues,
            heartbeat_seconds=options.event_heartbeat_seconds,
            count_dropped=count_dropped,
            clock=clock,
        )
        close_at_exit(self)

    def reply_reader(self, oid: str, deliver: Callable[[Mapping[str, Any]], None]) -> ReplyReader:
        """Return the thread that waits for the replies to one client; it is not started."""
        return ReplyReader(
            oid,
            self._mailboxes,
            deliver=deliver,
            expects=lambda: self._expected.since(oid),
            clock=self._clock,
        )

    def bindings(self, exchange: str) -> list[Binding]:
        """Return what is bound to an exchange, own queues first.

        Raises:
            AwsError: that cannot be read now.

        Costs nothing, or one Query: control commands need those of this moment.
        """
        shared = self.routes.of(exchange, afresh=is_control_exchange(exchange))
        return self._with_own(exchange, shared)

    def known_bindings(self, exchange: str) -> list[Binding]:
        """Return the same as far as it is known, however old that is; costs nothing."""
        return self._with_own(exchange, self.routes.known(exchange))

    @contextmanager
    def leaving_table_alone(self) -> Iterator[None]:
        """Ask the table, unless it failed a moment ago: who has no way to it waits long each time.

        Raises:
            AwsError: it fails, or has failed.
        """
        now = self._clock.monotonic()
        if self._outage is not None:
            self._outage.raise_if_on(now)
        try:
            yield
        except AwsError as error:
            self._outage = Outage(error, self._clock.monotonic() + OUTAGE_SECONDS)
            raise

    def nobody_is_bound(self, exchange: str) -> bool:
        """Tell whether it is known that nobody is bound to an exchange; costs nothing."""
        return self.routes.nobody(exchange) and not self.keeper.local(exchange)

    def bind_shared(self, binding: Binding) -> None:
        """Bind a queue on SQS, for everybody to see, unless it is bound already.

        Costs one Query; if it is new, one PutItem and what :meth:`Notices.send` costs.
        """
        if binding not in self.routes.of(binding.exchange):
            self._bindings.put(binding)
            self.notices.send([binding.exchange])

    def unbind_shared(self, gone: Callable[[Binding], bool]) -> None:
        """Remove the bindings of queues on SQS that are ``gone``. One Query for each MB."""
        removed = [each for each in self._bindings.all() if not each.transient and gone(each)]
        self._bindings.remove(sort_key_of(each) for each in removed)
        self.notices.send({each.exchange for each in removed})

    def all_bindings(self) -> list[Binding]:
        """Return the bindings of every exchange. One Query for each MB."""
        return self._bindings.all()

    def send_to_queue(self, queue: AmqpQueue, message: Mapping[str, Any]) -> bool:
        """Send a message to the transient queue of this name, wherever it is.

        Returns:
            False if there is none.

        Raises:
            AwsError: AWS refused.

        Costs nothing for a queue of this process, else one SendMessage and what
        :meth:`QueuesElsewhere.find` costs.
        """
        own = self.queues.find(queue)
        if own is not None:
            own.put(loads(dumps(message)))
            return True
        found = self._elsewhere.find(queue)
        if found:
            self.send([random.choice(found)], message)  # noqa: S311 - no secret
        return bool(found)

    def is_elsewhere(self, queue: AmqpQueue) -> bool:
        """Tell whether the queue was another process's transient one, a little while ago."""
        return queue in self._elsewhere

    def send(self, bindings: Sequence[Binding], message: Mapping[str, Any]) -> None:
        """Send a message to transient queues, and wait until SQS has it.

        Args:
            bindings: of the queues.
            message: the virtual message, its body encoded.

        Raises:
            MessageTooLargeError: SQS does not take as much.
            AwsError: AWS refused; for one of several at least, and this process has not got it.

        Costs one SendMessage for each process but this one.
        """
        # Every inbox is sent all tokens: those of others are nothing to it.
        tokens = tuple(dict.fromkeys(each.token for each in bindings if each.token is not None))
        failures = self._courier.send_all(
            [each.inbox_url for each in bindings if each.inbox_url and not self._is_own(each)],
            Parcel(items=(ParcelItem(tokens=tokens, message=message),)),
            deduplication_id=_deduplication_id(message),
        )
        for url, error in failures.items():
            if not isinstance(error, QueueNotFoundError):
                raise error
            logger.debug("inbox %s is gone, or was just made", url)
        own = [token for token in tokens if self.queues.holds(token)]
        if own:
            # Last: whoever is told of a failure sends once more.
            self.queues.deliver(own, loads(dumps(message)))

    def send_command(
        self,
        command: ControlCommand,
        exchange: str,
        routing_key: str,
        message: Mapping[str, Any],
    ) -> list[AmqpQueue]:
        """Send a control command to the nodes that act on it.

        Args:
            command: what the message says.
            exchange: that it is published to.
            routing_key: of it.
            message: the virtual message, its body encoded.

        Returns:
            Queues on SQS that it is for as well: of nodes whose queues are durable.

        Raises:
            AwsError: AWS refused.

        Costs one Query, and one SendMessage for each process.
        """
        bound = targets(self.bindings(exchange), routing_key, choose=random.choice)
        heard = self._heard_anew(command, heard_by(command, exchange, bound))
        try:
            self.send(heard, message)
        except CeleryAwsError:
            # Nobody knows who has heard it: the next try is for all.
            self._repeats = Repeats()
            raise
        return [each.queue for each in heard if not each.transient]

    def shared_bindings(self, exchange: str) -> list[Binding]:
        """Return the queues on SQS that are known to be bound to an exchange; costs nothing."""
        return [each for each in self.routes.known(exchange) if not each.transient]

    def publish_event(self, event: Event) -> None:
        """Send an event, soon, if somebody listens; waits for nothing.

        Whoever published it may go on to change the message: it is sent as it is now.
        """
        properties = dict(event.message["properties"])
        self.events.put(replace(event, message={**event.message, "properties": properties}))

    def drop(self, queue: TransientQueue) -> None:
        """Remove a transient queue, soon."""
        self.queues.discard(queue)
        self.keeper.drop(queue)

    def flush(self, timeout_seconds: float) -> None:
        """Send events and replies that wait, for so long at most."""
        deadline = self._clock.monotonic() + timeout_seconds
        self.replies.flush(timeout_seconds)
        self.events.flush(max(0.0, deadline - self._clock.monotonic()))

    def close(self) -> None:
        """Send what waits and remove the inbox: the process ends, and waits once for all of it."""
        deadline = self._clock.monotonic() + LAST_SECONDS
        threads: list[BackgroundThread] = [self.events, self.replies]
        if self.keeper.has_queue:
            # Without one it may be waiting for AWS; a reaper removes what it wrote.
            threads.append(self.keeper)
        for each in (self.events, self.replies, self.keeper):
            each.stop(0)
        for thread in threads:
            thread.stop(max(0.0, deadline - self._clock.monotonic()))

    def _with_own(self, exchange: str, shared: Sequence[Binding]) -> list[Binding]:
        inbox = self.keeper.inbox
        others = [each for each in shared if each.inbox != inbox and not self._is_own(each)]
        return [*self.keeper.local(exchange), *others]

    def _is_own(self, binding: Binding) -> bool:
        return binding.token is not None and self.queues.holds(binding.token)

    def _heard_anew(self, command: ControlCommand, heard: Sequence[Binding]) -> list[Binding]:
        with self._repeats_lock:
            anew = self._repeats.heard_anew(command, heard, self._clock.monotonic())
        if anew:
            self._expected.expect(command)
        return anew

    def _new_inbox(self) -> Inbox:
        options = self._options
        return Inbox(
            queue=InboxQueue(
                self._service,
                prefix=options.queue_name_prefix,
                tags=options.queue_tags,
                encryption=options.encryption,
            ),
            receiver=self._new_receiver,
            inboxes=self._inboxes,
            bindings=self._bindings,
            lease_seconds=options.inbox_lease_seconds,
            clock=self._clock,
        )

    def _new_receiver(self, url: QueueUrl) -> InboxReceiver:
        return InboxReceiver(
            service=self._service,
            url=url,
            queues=self.queues,
            on_changed=self.routes.told,
            on_lost=lambda: self.keeper.lose(url),
            wait_seconds=self._options.wait_time_seconds,
            rests=lambda: self.keeper.only_monitors,
            clock=self._clock,
        )

    def _expire(self) -> float:
        for queue in self.queues.expire():
            logger.debug("queue %s has expired", queue.name)
            self.keeper.drop(queue)
        return _EXPIRY_LOOK_SECONDS if self.queues.may_expire() else float("inf")


def _deduplication_id(message: Mapping[str, Any]) -> str:
    """Return what SQS knows another try of the same message by.

    kombu publishes again when one of several processes could not be reached; those that were must
    not grow their pools twice, nor run a Broadcast task twice. It prepares each try anew, but from
    the same properties (kombu/messaging.py ``Producer._publish``). What a command says does not
    tell it from the next one: two apps of a process count with clocks of their own.
    """
    return str(message["properties"].setdefault(_PUBLICATION, uuid()))
