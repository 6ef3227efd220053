"""A message that waits for its batch, and what became of it."""

from dataclasses import dataclass, replace

from celery_aws.core.messages import OutgoingMessage
from celery_aws.core.parked_messages import mark_copy
from celery_aws.errors import AwsError, ServiceFaultError, UnreachableError

#: What brings messages to SQS; what else fails before has brought nothing.
_SENDING = frozenset({"SendMessage", "SendMessageBatch"})

#: Failures of the client's that come before the request is on the wire.
_NOT_SENT = frozenset({"ConnectTimeoutError", "EndpointConnectionError", "ProxyConnectionError"})


@dataclass(eq=False, kw_only=True, slots=True)
class Entry:
    """One message on its way; the same object from its publish to its end.

    Attributes:
        task_id: of its task.
        message: as it was published.
        size_bytes: of it.
        added_at: when that was, by the monotonic clock: its delay runs from then.
        failures: requests that it was in, and that did not bring it there.
        maybe_sent: SQS may have it: an answer was lost.
    """

    task_id: str
    message: OutgoingMessage
    size_bytes: int
    added_at: float
    failures: int = 0
    maybe_sent: bool = False

    def outgoing(self, now: float) -> OutgoingMessage:
        """Return what to send now: the rest of its delay, marked if it may be a second copy."""
        message = mark_copy(self.message, self.task_id) if self.maybe_sent else self.message
        waited = int(now - self.added_at)
        if waited <= 0 or not message.delay_seconds:
            return message
        return replace(message, delay_seconds=max(0, message.delay_seconds - waited))


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """Why an entry of a request did not go, as far as is known.

    Attributes:
        error: AWS's, or what else kept it.
        again: sending it again may help.
        maybe_sent: it may have gone nevertheless.
    """

    error: Exception
    again: bool
    maybe_sent: bool


def may_be_accepted(error: Exception) -> bool:
    """Tell whether SQS may have what a request with this error was to bring."""
    if not isinstance(error, AwsError) or error.operation not in _SENDING:
        return False
    if isinstance(error, UnreachableError):
        return error.code not in _NOT_SENT
    return isinstance(error, ServiceFaultError)
