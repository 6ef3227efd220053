"""SQS as the broker that is entered.

What goes there is what our own publishers send: the body encoded once, in the queue of its
priority, with a delay or parked if its eta is far, through S3 if it is too large and there is a
bucket. Body, headers, content type, correlation id, expiration and the rest stay what they were,
but for three properties that mean something else here: how the body is encoded; the number of a
priority that is counted the other way round; and the routing key of a message that went to its
queue by name, if that queue has another name here.

Each message has a mark (:mod:`celery_aws.core.migration_marks`) by which workers know second
copies. No request is tried again in here, nor below: each try has other marks.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from kombu.utils.uuid import uuid

from celery_aws.aws.sqs import SendFailure
from celery_aws.broker import Transport
from celery_aws.broker.creation import NEW_QUEUE_PAUSES_SECONDS
from celery_aws.broker.departures import Destination
from celery_aws.core.batching import batches_by_size
from celery_aws.core.messages import OutgoingMessage
from celery_aws.core.migration_marks import mark_migrated, task_key
from celery_aws.core.outgoing import outgoing_message
from celery_aws.core.outgoing_entries import may_be_accepted
from celery_aws.core.queue_names import is_fifo
from celery_aws.core.refusals import refusal_of
from celery_aws.core.task_eta import TaskTiming
from celery_aws.deployment import declare_priorities
from celery_aws.errors import (
    CeleryAwsError,
    InvalidRequestError,
    MessageTooLargeError,
    QueueNotFoundError,
    TemporaryError,
    UnsupportedError,
)
from celery_aws.migrate.messages import Answer, Carried, Refused, Sent, Unsent
from celery_aws.migrate.sqs_messages import Prepared, prepared
from celery_aws.names import AmqpQueue

#: What making a message of one raises whose parts are of other types than Celery's: it may be
#: anything, and must not stop the others.
_NOT_AS_THEY_SHOULD_BE = (
    *(ArithmeticError, AttributeError, LookupError),
    *(RecursionError, TypeError, ValueError),
)


def key_of_mark(key: str, task_id: str | None, *, passage: str) -> str:
    """Return what the mark of a message says, and what workers note of those that they begin.

    A message that was moved back and is moved again is another one: its first copy may have been
    begun by then.

    Args:
        key: of the message in its source.
        task_id: of its task.
        passage: name of the passage in which it was sent.
    """
    return task_key(task_id, source_key=f"{passage} {key}")


@dataclass(frozen=True, kw_only=True)
class _Ready:
    """A message that only has to be sent.

    Attributes:
        number: its place among those that were handed in.
        message: what SQS gets.
        copy_id: the copy's name.
    """

    number: int
    message: OutgoingMessage
    copy_id: str


@dataclass(frozen=True, kw_only=True)
class _Made:
    """A message as SQS gets it.

    Attributes:
        queue: Celery's name of its queue, the step of its priority included.
        message: with its mark.
        timing: what it says of its task; None if it is none.
        copy_id: the copy's name.
    """

    queue: AmqpQueue
    message: OutgoingMessage
    timing: TaskTiming | None
    copy_id: str

    def numbered(self, number: int) -> _Ready:
        """Return it with its place among those that were handed in."""
        return _Ready(number=number, message=self.message, copy_id=self.copy_id)


class SqsTarget:
    """Sends messages to the queues of one app; for one thread.

    Args:
        app: the app whose broker is SQS.
        run: name of this run and thread.
        passage: name of the passage, the same for all runs in which a message may be sent again.
        new_id: makes copy ids.
    """

    def __init__(
        self, app: Any, run: str, *, passage: str = "", new_id: Callable[[], str] = uuid
    ) -> None:
        self.run = run
        self._passage = passage
        self._new_id = new_id
        self._connection = app.connection_for_write()
        transport: Transport = self._connection.transport
        self._directory = transport.directory
        self._departures = transport.departures
        self._large_messages = transport.large_messages
        self._clock = transport.clock
        declare_priorities(app, self._directory)

    def send(self, messages: Sequence[Carried]) -> Sequence[Answer]:
        """Send messages, and return what became of each, in their order. Raises nothing of AWS's.

        Costs one SendMessageBatch for up to ten messages and 1 MiB of one queue, and what
        :meth:`celery_aws.broker.departures.Departures.send` does for those that are parked or too
        large.
        """
        answers: dict[int, Answer] = {}
        ready: dict[AmqpQueue, list[_Ready]] = {}
        for number, message in enumerate(messages):
            made = self._made(message)
            departed = made if isinstance(made, Refused) else self._depart(made)
            if isinstance(departed, _Made):
                ready.setdefault(departed.queue, []).append(departed.numbered(number))
            else:
                answers[number] = departed
        for queue, entries in ready.items():
            for batch in batches_by_size(entries, lambda each: each.message.size_bytes):
                answers.update(self._send_batch(queue, batch))
        return [answers[number] for number in range(len(messages))]

    def close(self) -> None:
        """Close the connection."""
        self._connection.release()

    def _made(self, message: Carried) -> _Made | Refused:
        """Return what SQS gets of a message; one that nothing can be made of stops no other."""
        try:
            priorities = self._directory.priorities(message.queue)
            found = prepared(message, highest_number=priorities.highest)
            queue = priorities.queue_for(message.queue, found.priority)
            copy_id = self._new_id()
            key = key_of_mark(message.key, message.task_id, passage=self._passage)
            outgoing = self._outgoing(queue, found, key=key)
            refusal = refusal_of(outgoing)
            outgoing = mark_migrated(outgoing, task_key=key, copy_id=copy_id)
        except _NOT_AS_THEY_SHOULD_BE as error:
            return _unfit(error)
        if refusal is not None:
            return Refused(reason=f"SQS does not take it: {refusal}")
        return _Made(queue=queue, message=outgoing, timing=found.timing, copy_id=copy_id)

    def _depart(self, made: _Made) -> _Made | Answer:
        """Park a message, or return what is to be sent: itself, or what points to it in S3."""
        collected: list[OutgoingMessage] = []
        try:
            destination = Destination(
                queue=made.queue,
                name=self._directory.name(made.queue),
                address=self._directory.address(made.queue),
            )
            self._departures.send(destination, made.message, made.timing, collected.append)
        except CeleryAwsError as error:
            return _answer_to(error)
        except _NOT_AS_THEY_SHOULD_BE as error:
            return _unfit(error)
        if collected:
            return replace(made, message=collected[0])
        return Sent(message_id=made.copy_id, parked=True)

    def _outgoing(self, queue: AmqpQueue, found: Prepared, *, key: str) -> OutgoingMessage:
        name = self._directory.name(queue)
        # A FIFO queue would drop another message of the same task for five minutes: one that was
        # moved back and comes again, or that was in two queues.
        digest = sha256(key.encode(errors="surrogatepass")).hexdigest()
        only_its_copies = digest if is_fifo(name) else None
        outgoing = outgoing_message(
            found.envelope,
            queue=name,
            as_base64=self._directory.options.sqs_base64_encoding,
            new_deduplication_id=lambda: key,
        )
        # A delay that it was published with has passed.
        return replace(outgoing, delay_seconds=None, message_deduplication_id=only_its_copies)

    def _send_batch(self, queue: AmqpQueue, batch: Sequence[_Ready]) -> dict[int, Answer]:
        try:
            failures = self._ask(queue, [each.message for each in batch])
        except InvalidRequestError as error:
            if len(batch) == 1:
                return self._alone(queue, batch[0], error)
            # It does not say which of them is wrong.
            alone = [self._send_batch(queue, [each]) for each in batch]
            return {number: answer for each in alone for number, answer in each.items()}
        except CeleryAwsError as error:
            if isinstance(error, TemporaryError):
                self._directory.lost()
            for each in batch:
                self._drop(each.message, error)
            return {each.number: Unsent(error=error) for each in batch}
        answers: dict[int, Answer] = {each.number: Sent(message_id=each.copy_id) for each in batch}
        for failed in failures:
            entry = batch[failed.index]
            if failed.sender_fault:
                answers.update(self._alone(queue, entry, failed.error))
            else:
                self._drop(entry.message, failed.error)
                answers[entry.number] = Unsent(error=failed.error)
        return answers

    def _ask(self, queue: AmqpQueue, messages: Sequence[OutgoingMessage]) -> list[SendFailure]:
        """Send a batch; a queue that was made just now is not there at once."""
        for pause_seconds in NEW_QUEUE_PAUSES_SECONDS:
            address = self._directory.address(queue)
            try:
                return address.service.send_batch(address.url, messages)
            except QueueNotFoundError:
                self._directory.forget(queue)
                self._clock.sleep(pause_seconds)
        address = self._directory.address(queue)
        return address.service.send_batch(address.url, messages)

    def _alone(self, queue: AmqpQueue, entry: _Ready, refused: CeleryAwsError) -> dict[int, Answer]:
        """Send one that was refused as it was: its queue may take less than others do."""

        def deliver(message: OutgoingMessage) -> None:
            if message is entry.message:
                # SQS has said it already.
                raise refused
            failures = self._ask(queue, [message])
            if failures:
                raise failures[0].error

        address, name = self._directory.address(queue), self._directory.name(queue)
        try:
            self._large_messages.send(address, entry.message, queue=name, deliver=deliver)
        except CeleryAwsError as error:
            self._drop(entry.message, error)
            return {entry.number: _answer_to(error)}
        return {entry.number: Sent(message_id=entry.copy_id)}

    def _drop(self, message: OutgoingMessage, error: CeleryAwsError) -> None:
        """Remove from S3 what was not sent; a message that is sent again is put there again."""
        if not may_be_accepted(error):
            self._large_messages.discard(message)


def _unfit(error: Exception) -> Refused:
    why = f"{type(error).__name__}: {error}"
    return Refused(reason=f"it cannot be written as a message of SQS: {why}")


def _answer_to(error: CeleryAwsError) -> Answer:
    """Return what an error says of one message: that it will never go, or not this time."""
    if isinstance(error, MessageTooLargeError | UnsupportedError):
        return Refused(reason=str(error))
    if isinstance(error, InvalidRequestError) and error.service == "sqs":
        return Refused(reason=str(error))
    return Unsent(error=error)
