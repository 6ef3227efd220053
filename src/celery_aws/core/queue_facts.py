"""What a queue's attributes say that the broker goes by, as one value.

Facts: CreateQueue and GetQueueAttributes in the SQS API reference. RedrivePolicy is left out of
the answer if a queue has none.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from celery_aws.core.dead_letters import REDRIVE_POLICY, RedrivePolicy, redrive_policy
from celery_aws.limits import SQS_MESSAGE_BYTES, SQS_RETENTION_SECONDS_DEFAULT

_MAXIMUM_MESSAGE_SIZE = "MaximumMessageSize"
_RETENTION = "MessageRetentionPeriod"
_DELAY = "DelaySeconds"

#: What :func:`queue_facts` reads, to be asked for in one request.
FACT_ATTRIBUTES = (REDRIVE_POLICY, _MAXIMUM_MESSAGE_SIZE, _RETENTION, _DELAY)


@dataclass(frozen=True, kw_only=True)
class QueueFacts:
    """What is known of a queue; what is not, is as SQS makes a queue that is given nothing.

    Attributes:
        redrive_policy: where SQS moves its dead letters; None if it has none, or if that is not
            known, which only :attr:`refusal` tells apart.
        max_message_bytes: size of the largest message that it takes.
        retention_seconds: how long it keeps a message, from the moment it was sent.
        delay_seconds: the delay of a message that asks for none.
        refusal: why the queue's attributes are not known; None if they are.
    """

    redrive_policy: RedrivePolicy | None = None
    max_message_bytes: int = SQS_MESSAGE_BYTES
    retention_seconds: int = SQS_RETENTION_SECONDS_DEFAULT
    delay_seconds: int = 0
    refusal: str | None = None


def queue_facts(attributes: Mapping[str, str]) -> QueueFacts:
    """Return what the answer to GetQueueAttributes says.

    Args:
        attributes: by name; others than :data:`FACT_ATTRIBUTES` are not looked at, and one that
            is missing or no number (of an endpoint that is not AWS) counts as not known.
    """
    return QueueFacts(
        redrive_policy=redrive_policy(attributes.get(REDRIVE_POLICY)),
        max_message_bytes=_number(attributes, _MAXIMUM_MESSAGE_SIZE, QueueFacts.max_message_bytes),
        retention_seconds=_number(attributes, _RETENTION, QueueFacts.retention_seconds),
        delay_seconds=_number(attributes, _DELAY, QueueFacts.delay_seconds),
    )


def _number(attributes: Mapping[str, str], name: str, otherwise: int) -> int:
    text = attributes.get(name, "")
    return int(text) if text.isdecimal() else otherwise
