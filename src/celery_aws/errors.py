"""The package's errors: one root, split by what the caller can do about them.

The text of each says what failed, where, and the remedy; the attributes say the same to a
program. Nothing secret is ever put into an error: a URL is masked before it gets here.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from kombu import exceptions as kombu_errors


class CeleryAwsError(Exception):
    """Root of every error that this package raises.

    One can be pickled, as it has to be on its way out of a forked pool process.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt, (type(self), self.args, dict(self.__dict__))


class ConfigurationError(CeleryAwsError, ValueError):
    """A setting is wrong; nothing was started. Mend the setting.

    Attributes:
        where: the setting's name, such as ``broker_transport_options``.
        key: the key in it, or None.
    """

    def __init__(self, message: str, *, where: str, key: str | None = None) -> None:
        super().__init__(message)
        self.where = where
        self.key = key


class UnsupportedError(CeleryAwsError):
    """Something was asked for that this package cannot do (yet); the text says what instead."""


class ReceiverFailedError(CeleryAwsError):
    """A receiver thread met a bug; the connection is made again.

    Attributes:
        queue: Celery's name of the queue.
    """

    def __init__(self, queue: str, cause: Exception) -> None:
        super().__init__(f"receiving from queue {queue!r} failed: {cause!r}")
        self.queue = queue
        self.__cause__ = cause


class MessageTooLargeError(CeleryAwsError):
    """A message is larger than its queue takes; nothing was sent.

    Attributes:
        queue: the queue's name.
        size_bytes: size of the message as it would be sent, message attributes included.
        limit_bytes: what the queue takes.
    """

    def __init__(
        self, *, queue: str, size_bytes: int, limit_bytes: int, remedy: str | None = None
    ) -> None:
        remedy = remedy or (
            "Set broker_transport_options['large_message_bucket'], so that such messages go "
            "through S3, or compress them (broker_transport_options['compression'])"
        )
        super().__init__(
            f"queue {queue}: the message has {size_bytes} bytes, SQS takes {limit_bytes}. {remedy}"
        )
        self.queue = queue
        self.size_bytes = size_bytes
        self.limit_bytes = limit_bytes


#: kombu 5.7 has an error of its own for its own batches.
_KOMBU_BATCH_ERRORS = {
    getattr(kombu_errors, "BatchPublishError", kombu_errors.OperationalError): None,
    kombu_errors.OperationalError: None,
}

#: How many task ids the text of an error shows.
_SHOWN_IDS = 3


class BatchPublishError(CeleryAwsError, *_KOMBU_BATCH_ERRORS):  # type: ignore[misc]
    """Some tasks of a batch did not go to SQS, or nobody knows whether they did; the others did.

    It is what ``except kombu.exceptions.OperationalError`` around ``apply_async`` catches. Each id
    is in one of the three:

    Attributes:
        sent: ids of the tasks that SQS has accepted, in any order.
        not_sent: ids of the tasks that SQS has not: publish them again.
        unknown: ids of the tasks that SQS may have or not, because its answers were lost.
        errors: why, by the id of each task that is not among the first.

    As the result of a task that published the batch it has only its text, if results are JSON:
    Celery makes it anew of that.
    """

    def __init__(
        self,
        message: str = "",
        *,
        sent: Sequence[str] = (),
        not_sent: Sequence[str] = (),
        unknown: Sequence[str] = (),
        errors: Mapping[str, Exception] = MappingProxyType({}),
    ) -> None:
        self.sent = list(sent)
        self.not_sent = list(not_sent)
        self.unknown = list(unknown)
        self.errors = dict(errors)
        super().__init__(message or self._summary())

    def _summary(self) -> str:
        total = len(self.sent) + len(self.not_sent) + len(self.unknown)
        parts = [f"of {total} task(s) {len(self.not_sent)} did not go to SQS"]
        if self.unknown:
            parts.append(f"{len(self.unknown)} may have gone, their answers were lost")
        failed = [*self.not_sent, *self.unknown]
        some = ", ".join(failed[:_SHOWN_IDS]) + (", ..." if len(failed) > _SHOWN_IDS else "")
        reason = next(iter(self.errors.values()), None)
        return f"{'; '.join(parts)} ({some}): {reason}"


class ResultUnreadableError(CeleryAwsError):
    """A large result is stored and cannot be put together.

    Some of it is missing although nobody has replaced it, or it is not what was written.

    Attributes:
        key: of the result, as Celery has it.
    """

    def __init__(self, problem: str, *, key: str) -> None:
        super().__init__(
            f"the result {key} cannot be read: {problem}. Some of it was changed or deleted by "
            "hand, by a lifecycle rule that is shorter than result_expires, or by a restored "
            "backup: forget the result, and run its task again"
        )
        self.key = key


class UnitsMixedError(CeleryAwsError, TypeError):
    """Amounts of different units meet, such as requests and hours: a bug, or a wrong price file.

    Attributes:
        found: the one unit.
        wanted: the other one.
    """

    def __init__(self, found: str, wanted: str) -> None:
        self.found = found
        self.wanted = wanted
        super().__init__(f"{found}s are no {wanted}s: their prices cannot be mixed")


class PriceUnknownError(CeleryAwsError):
    """No price of something is known in a region, and none is guessed.

    Attributes:
        key: of the price.
        region: AWS's name of it.
    """

    def __init__(self, key: str, region: str) -> None:
        self.key = key
        self.region = region
        super().__init__(
            f"no price for {key} in {region}: `celery-aws cost refresh-prices` asks AWS for it"
        )


class NotObservedError(CeleryAwsError):
    """Somebody was to be observed, and told nothing that can be counted."""


class ProcessFailedError(CeleryAwsError):
    """A process that was started for development or tests did not start, run or end as it should.

    Attributes:
        output: the last lines that it wrote, or an empty text.
    """

    def __init__(self, message: str, *, output: str = "") -> None:
        super().__init__(f"{message}; its last output:\n{output}" if output else message)
        self.output = output


class BrokerLostError(CeleryAwsError, ConnectionError):
    """The broker that is left did not answer; nothing is lost, and the next call may succeed."""


class RunIsAliveError(CeleryAwsError):
    """Another migration takes messages from the same broker; this one has taken none.

    Attributes:
        seconds_left: until its sign of life expires, if nobody renews it.
    """

    def __init__(self, message: str, *, seconds_left: float) -> None:
        super().__init__(message)
        self.seconds_left = seconds_left


class WorkersAliveError(CeleryAwsError):
    """Workers of the old broker are alive: what they hold was not taken.

    Attributes:
        names: of those that answered; others may be there, too.
    """

    def __init__(self, message: str, *, names: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.names = tuple(names)


class AwsError(CeleryAwsError):
    """AWS refused or did not answer a request.

    Attributes:
        service: ``sqs``, ``dynamodb``, ...
        operation: the API operation, such as ``ReceiveMessage``.
        code: AWS's error code, or the class of the client-side failure.
        resource: queue name, queue URL or table that the request was about, or None.
        request_id: AWS's id of the request, or None.
    """

    #: What to do about it; a row of the error table may give a closer one.
    remedy = ""

    def __init__(
        self,
        message: str,
        *,
        service: str = "",
        operation: str = "",
        code: str = "",
        resource: str | None = None,
        request_id: str | None = None,
        remedy: str | None = None,
    ) -> None:
        self.service = service
        self.operation = operation
        self.code = code
        self.resource = resource
        self.request_id = request_id
        if remedy is not None:
            self.remedy = remedy
        self.reason = message
        super().__init__(self._text(message))

    def with_remedy(self, remedy: str) -> "AwsError":
        """Return the same error with other words on what to do about it."""
        return type(self)(
            self.reason,
            service=self.service,
            operation=self.operation,
            code=self.code,
            resource=self.resource,
            request_id=self.request_id,
            remedy=remedy,
        )

    def _text(self, message: str) -> str:
        about = f" for {self.resource}" if self.resource else ""
        call = f"{self.service} {self.operation}{about}".strip()
        code = f" ({self.code})" if self.code else ""
        text = f"{call}: {message}{code}" if call else f"{message}{code}"
        return f"{text}. {self.remedy}" if self.remedy else text


class TemporaryError(AwsError):
    """The same request may succeed later; it is retried, or the connection made again."""


class ThrottledError(TemporaryError):
    """AWS asked for fewer requests a second."""


class UnreachableError(TemporaryError):
    """No answer: DNS, connection, TLS or a deadline."""

    remedy = "Check the endpoint, the region, the network path and security groups"


class ServiceFaultError(TemporaryError):
    """AWS answered with a failure of its own (5xx)."""


class ExpiredCredentialsError(TemporaryError):
    """The credentials were right and have run out; a fresh set may come from the chain."""

    remedy = "Renew the credentials, or use a role so that they are renewed automatically"


class CredentialsError(AwsError):
    """There are no credentials, or AWS does not know them."""

    remedy = (
        "Check the access key and secret (percent-encoded in a URL), or remove them to use "
        "boto3's default chain"
    )


class AccessDeniedError(AwsError):
    """The credentials are right; the permission is missing."""

    remedy = "Grant the action named above on this resource to the role or user in use"


class EncryptionKeyError(AccessDeniedError):
    """The KMS key of a queue, table or bucket may not or cannot be used."""

    remedy = (
        "Enable the KMS key of this resource, and grant kms:Decrypt and kms:GenerateDataKey on it "
        "to the role or user in use (for a table, kms:CreateGrant and kms:DescribeKey to whoever "
        "creates it)"
    )

    def with_remedy(self, remedy: str) -> "AwsError":  # noqa: ARG002 - that of the base class
        """Return this error: whatever was asked for, it is the key that has to be mended."""
        return self


class NotFoundError(AwsError):
    """The queue or table named does not exist (or may not be seen)."""


class QueueNotFoundError(NotFoundError):
    """The queue does not exist in this account and region."""

    remedy = (
        "Create the queue, check region and queue_name_prefix, or set "
        "broker_transport_options['create_missing_queues'] to True"
    )


class TableNotFoundError(NotFoundError):
    """The table does not exist in this account and region."""

    remedy = (
        "Create it with `celery -A proj aws create-table`, wait if it is being created, check the "
        "region and the table name, or let it be created: create_table=true in the query of "
        "result_backend for results, create_coordination_table in broker_transport_options for "
        "parked tasks"
    )


class BucketNotFoundError(NotFoundError):
    """The bucket does not exist."""

    remedy = (
        "Create the bucket, or check broker_transport_options['large_message_bucket'] and the "
        "region, which must be the bucket's"
    )


class ObjectNotFoundError(NotFoundError):
    """The S3 object does not exist."""

    remedy = (
        "It was deleted: with another delivery of its message, by a lifecycle rule that is "
        "shorter than the queue's retention, or by hand"
    )


class ConditionFailedError(AwsError):
    """A conditional write lost: what is stored does not fit the condition.

    Attributes:
        item: the stored item in DynamoDB's typed form, empty if it was not asked for.
    """

    def __init__(self, message: str, *, item: dict[str, Any] | None = None, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.item = item if item is not None else {}


class AlreadyExistsError(AwsError):
    """Somebody else made it first, or it exists with other attributes."""


class StaleReceiptError(AwsError):
    """The receipt handle is of an earlier receive, or its message is gone."""


class InvalidRequestError(AwsError):
    """AWS does not accept the request as it is; sending it again cannot help."""


class TableKeyError(InvalidRequestError):
    """The table has another primary key than what it is used for needs."""

    remedy = (
        "A results table has the primary key id (S) and nothing else, a coordination table pk (S) "
        "and sk (S). Name another table in result_backend, or in broker_transport_options"
        "['coordination_table'], or delete this one if nothing else uses it"
    )


def _rebuilt(
    cls: type[CeleryAwsError], args: tuple[Any, ...], attributes: dict[str, Any]
) -> CeleryAwsError:
    # Not by the constructor, which would add the remedy to a text that has it already.
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(attributes)
    return error
