"""``broker_transport_options``: the names of the stock SQS transport, and ours beside them."""

import json
from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Any

from pydantic import BeforeValidator
from pydantic.dataclasses import dataclass

from celery_aws.config.access import AccessOptions
from celery_aws.config.fields import (
    Flag,
    HighestPriority,
    MaxReceiveCount,
    Port,
    PrioritySteps,
    QueueUrlText,
    Seconds,
    Text,
    TextMap,
    VisibilityTimeout,
    WaitTime,
    mapping,
)
from celery_aws.config.parsing import FORBID_EXTRA, Allowed, parse_options

WHERE = "broker_transport_options"

#: Keys that kombu itself reads from, or writes into, the transport options
#: (kombu/connection.py ``_extract_failover_opts``, kombu/messaging.py ``_publish``).
KOMBU_KEYS = frozenset(
    {
        "callback",
        "connect_retries_timeout",
        "errback",
        "interval_max",
        "interval_start",
        "interval_step",
        "max_retries",
        "retry_errors",
        "timeout",
    }
)

#: Options of the stock transport that have nothing to act on here. They are accepted, so that
#: a configuration can be kept, and named in one warning.
WITHOUT_EFFECT = ("body_encoding", "fetch_message_attributes", "predefined_exchanges", "regioninfo",
                  "supports_fanout")  # fmt: skip


@dataclass(frozen=True, kw_only=True, config=FORBID_EXTRA)
class PredefinedQueue:
    """A queue that exists already, by URL, with credentials of its own if need be.

    Attributes:
        url: of the queue.
        region: of the queue; default: that of the broker.
        access_key_id: access key of a pair for this queue; default: that of the broker.
        secret_access_key: its secret.
        session_token: its token, if it is temporary.
        backoff_policy: seconds after which a failed task is received again, by its attempt.
        backoff_tasks: names of the tasks to which ``backoff_policy`` applies.
    """

    url: QueueUrlText
    region: Text | None = None
    access_key_id: str | None = field(default=None, repr=False)
    secret_access_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    backoff_policy: Annotated[
        Mapping[int, int], Allowed("a mapping from attempt to seconds, such as {1: 10, 2: 30}")
    ] = field(default_factory=dict)
    backoff_tasks: Annotated[tuple[str, ...], Allowed("a list of task names")] = ()


PredefinedQueues = Annotated[
    Mapping[str, PredefinedQueue],
    BeforeValidator(mapping),
    Allowed("a mapping from queue name to {'url': ..., 'region': ..., ...}"),
]


def _attributes(value: Any) -> Any:
    # SQS takes attribute values as text only, in JSON's spelling: "true", and a redrive policy
    # as an object. Stock hands everything on and lets boto3 refuse it.
    value = mapping(value)
    if isinstance(value, Mapping):
        return {
            key: item if isinstance(item, str) else json.dumps(item) for key, item in value.items()
        }
    return value


@dataclass(frozen=True, kw_only=True, config=FORBID_EXTRA)
class BrokerOptions(AccessOptions):
    """Everything that ``broker_transport_options`` can say beside :class:`AccessOptions`.

    Attributes:
        port: of the URL's host, if the URL has none.
        queue_name_prefix: put in front of every queue name.
        predefined_queues: queues by URL; then no other queue is looked up or created.
        create_missing_queues: create a queue that does not exist, at its first use.
        queue_tags: tags of the queues that are created.
        sqs_creation_attributes: SQS attributes of the queues that are created.
        max_receive_count: receives after which SQS moves a message to the dead-letter queue that
            a queue is created with; 0 creates none. An existing queue is never changed, and a
            ``RedrivePolicy`` in ``sqs-creation-attributes`` is stronger.
        priority_steps: priorities for all queues: one SQS queue for each of these steps, and a
            message goes to the step at or below its priority. Without it only a queue with
            ``x-max-priority`` has priorities, in steps of ``[0, 3, 6, 9]``.
        highest_priority: the priority that comes first: 0, as on the Redis transport, or 9, as
            with RabbitMQ.
        visibility_timeout: seconds for which a received message is hidden from others; sent
            with every receive. Default: the queue's own attribute.
        wait_time_seconds: seconds of one long poll.
        polling_interval: seconds to rest after a poll that brought nothing; 0 is none after a long
            poll, and 1 s after a short one (``wait_time_seconds`` 0).
        ack_linger_seconds: how long an acknowledgement waits for others to share its request.
        sqs_base64_encoding: write messages base64-encoded as a whole, for readers that want
            that; both forms are always read.
        deadletter_queue: read by kombu's virtual transport itself.
    """

    port: Port | None = None
    queue_name_prefix: Text = ""
    predefined_queues: PredefinedQueues = field(default_factory=dict)
    create_missing_queues: Flag = True
    queue_tags: TextMap = field(default_factory=dict)
    sqs_creation_attributes: Annotated[
        Mapping[str, str], BeforeValidator(_attributes), Allowed("a mapping of SQS attributes")
    ] = field(default_factory=dict, metadata={"spelling": "sqs-creation-attributes"})
    max_receive_count: MaxReceiveCount = 10
    priority_steps: PrioritySteps = ()
    highest_priority: HighestPriority = 0
    visibility_timeout: VisibilityTimeout | None = None
    wait_time_seconds: WaitTime = 20
    polling_interval: Seconds = 0.0
    ack_linger_seconds: Seconds = 0.05
    sqs_base64_encoding: Flag = False
    # Read by kombu's virtual transport itself; here only so that they are known keys.
    deadletter_queue: Text | None = None
    # See WITHOUT_EFFECT.
    body_encoding: Any = None
    fetch_message_attributes: Any = None
    predefined_exchanges: Any = None
    regioninfo: Any = None
    supports_fanout: Any = None


def parse_broker_options(raw: Mapping[str, Any]) -> BrokerOptions:
    """Parse ``broker_transport_options``.

    Raises:
        ConfigurationError: an unknown key, a wrong type or a value out of AWS's range.
    """
    ours = {key: value for key, value in raw.items() if key not in KOMBU_KEYS}
    return parse_options(BrokerOptions, ours, where=WHERE)


def options_without_effect(raw: Mapping[str, Any]) -> list[str]:
    """Return the given options that are known and do nothing here."""
    return [key for key in WITHOUT_EFFECT if raw.get(key)]
