"""``broker_transport_options``: the names of the stock SQS transport, and ours beside them."""

import json
from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Any

from kombu.compression import get_encoder
from pydantic import BeforeValidator
from pydantic.dataclasses import dataclass

from celery_aws.config.access import AccessOptions
from celery_aws.config.fields import (
    BucketText,
    Bytes,
    Dollars,
    EmfSeconds,
    Flag,
    HeartbeatSeconds,
    HighestPriority,
    HttpUrl,
    KeyPrefix,
    KmsKey,
    LeaseSeconds,
    MaxReceiveCount,
    Port,
    PrioritySteps,
    QueueUrlText,
    Seconds,
    TableNameOrOff,
    Text,
    TextMap,
    VisibilityTimeout,
    WaitTime,
    mapping,
)
from celery_aws.config.parsing import FORBID_EXTRA, Allowed, parse_options
from celery_aws.errors import ConfigurationError
from celery_aws.limits import SQS_BILLED_CHUNK_BYTES

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

#: Options of kombu's Redis, Sentinel and AMQP transports alone (kombu/transport/redis.py and
#: pyamqp.py): a worker that takes from one of these brokers and sends to SQS (``broker_read_url``,
#: ``broker_write_url``) has the options of both in one mapping.
OTHER_BROKERS_KEYS = frozenset(
    {
        "ack_emulation",
        "client_name",
        "confirm_publish",
        "fanout_patterns",
        "fanout_prefix",
        "global_keyprefix",
        "health_check_interval",
        "heartbeat",
        "login_method",
        "master_name",
        "max_connections",
        "min_other_sentinels",
        "queue_order_strategy",
        "read_timeout",
        "retry_on_timeout",
        "sentinel_fanout_compat",
        "sentinel_kwargs",
        "sep",
        "socket_connect_timeout",
        "socket_keepalive",
        "socket_keepalive_options",
        "socket_settings",
        "socket_timeout",
        "unacked_index_key",
        "unacked_key",
        "unacked_mutex_expire",
        "unacked_mutex_key",
        "unacked_restore_interval",
        "unacked_restore_limit",
        "unacked_restore_throttle",
        "write_timeout",
    }
)

#: Names of kombu's methods of compression, those included that need a package of their own.
_COMPRESSIONS = ("gzip", "bzip2", "lzma", "brotli", "zstd")

#: What is left of a billed chunk for everything but the body: a task's headers and properties
#: are 1 KB, 2 KB more with long representations of its arguments.
HEADERS_BYTES = 4_096

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
        predefined_queues: queues by URL; then no other queue is looked up or created, but for the
            inboxes of remote control and events.
        create_missing_queues: create a queue that does not exist, at its first use. Inboxes are
            created in any case; ``coordination_table`` false does without them.
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
        visibility_timeout: seconds for which a received message is hidden from others, sent with
            every receive and extended for as long as a worker has the message; so it is the
            time after which the tasks of a worker that died come back, and not the longest
            time that a task may take.
        wait_time_seconds: seconds of one long poll.
        polling_interval: seconds to rest after a poll that brought nothing; 0 is none after a long
            poll, and 1 s after a short one (``wait_time_seconds`` 0).
        batch_groups: send the tasks of groups, chunks and headers of chords in batches. Without it
            (false) each is a request of its own; ``celery_aws.batch`` works all the same.
        idle_backoff_seconds: longest rest between two polls of a queue that has been quiet for five
            minutes, in a worker that consumes others too; it begins with 30 s. Each saves a part
            of 130,000 polls a month ($0.05), and a message may wait for so long until the queue is
            found busy again. Default: no rest.
        ack_linger_seconds: how long an acknowledgement waits for others to share its request.
        last_poll_wait_seconds: how long a worker's warm shutdown waits for polls under way, at
            most. What SQS hands to a poll whose process has ended stays hidden for a visibility
            timeout; 0 stops an idle worker at once, and risks that.
        compression: how the bodies of large messages are compressed, by a name that kombu knows:
            gzip, bzip2, lzma, and with their packages brotli, zstd. Every consumer must know it
            too. Default: not at all.
        compression_threshold_bytes: largest body that is not compressed. The default, with 4 KB
            for the headers, is 64 KB, which SQS bills as one request: below it there is nothing
            to save.
        large_message_bucket: S3 bucket for the bodies of messages that are too large for their
            queue. A consumer reads and deletes in no other. Default: such messages are refused.
        large_message_prefix: put in front of the keys in that bucket, such as ``tasks/``. A
            consumer reads and deletes under no other.
        large_message_threshold_bytes: largest message that does not go through S3. Default: what
            the queue takes.
        large_message_endpoint_url: answers instead of S3's own endpoint. Default: the broker's
            endpoint if that is not AWS's, then ``AWS_ENDPOINT_URL_S3``.
        short_eta_seconds: longest time until an eta (or countdown) for which a task is sent at once
            and held by the worker that receives it, where ``inspect scheduled`` shows it. What is
            due later is delayed by SQS (up to 900 s) or parked in the coordination table, and in
            no worker.
        coordination_table: DynamoDB table for remote control and events, for bindings of queues to
            exchanges, and for tasks that are due later than SQS can delay them. Default:
            ``celery-coordination`` behind ``queue_name_prefix``. Without it (false) there is no
            remote control, and a task that is due later goes through SQS every 900 s, and on a
            FIFO queue the worker holds it.
        create_coordination_table: create that table when something is first written to it.
        coordination_point_in_time_recovery: let a coordination table that is created be restored
            to any second of the last 35 days.
        coordination_kms_key: KMS key of a coordination table that is created, which holds the
            messages of parked tasks. Default: a key that AWS owns, which costs nothing;
            ``alias/aws/dynamodb`` is AWS's managed key in the account.
        coordination_table_tags: tags of a coordination table that is created.
        coordination_deletion_protection: refuse DeleteTable for a coordination table that is
            created.
        coordination_endpoint_url: answers instead of DynamoDB's own endpoint. Default: the broker's
            endpoint if that is not AWS's, then ``AWS_ENDPOINT_URL_DYNAMODB``.
        migration_deduplication: let a task that a migration sent twice run once: what it sent is
            claimed in the coordination table before it is delivered, for one write each. Other
            messages cost nothing. Without the table, or with false, such a task runs twice.
        inbox_lease_seconds: after how long without a sign of life what a killed process leaves of
            remote control and events is removed. Two requests for each such time and process.
        event_heartbeat_seconds: how often a worker tells monitors that it is alive, at a request
            each time; they take it for offline after twice as long. Celery's own 2 s are replaced
            by it, what ``--heartbeat-interval`` says is not. Less than 2 is taken for 2.
        gossip: let workers listen to each other's events, as they do on Redis. Each event then is
            a request for each other worker.
        health: let a worker write down each second how it is, for ``celery-aws health``.
        health_address: of the HTTP endpoint of a worker, for probes. Probes of Kubernetes come from
            outside of the pod's loopback: ``0.0.0.0`` lets them in, and whoever else reaches it.
        health_port: of that endpoint. Default: there is none. ``CELERY_AWS_HEALTH_PORT`` and
            ``CELERY_AWS_HEALTH_ADDRESS`` in the environment are stronger.
        metrics_port: TCP port on which a worker shows its metrics to Prometheus, at ``/metrics``.
            Needs ``celery-aws[metrics]``. ``CELERY_AWS_METRICS_PORT`` is stronger: workers on one
            machine need a port each. Default: no port.
        metrics_address: IP address of this machine to listen on for that; ``0.0.0.0`` is all. Who
            asks there learns names of queues, tasks and tables. ``CELERY_AWS_METRICS_ADDRESS`` is
            stronger.
        metrics_emf: file to which a worker appends its metrics, in CloudWatch's embedded metric
            format, a line each; ``-`` is the standard output. CloudWatch asks for each metric
            ($0.30 a month). ``CELERY_AWS_METRICS_EMF`` is stronger. Default: nowhere.
        metrics_emf_seconds: how often it does.
        metrics_opentelemetry: let OpenTelemetry's global meter provider observe a worker's metrics.
            Needs ``celery-aws[opentelemetry]``, and an exporter that you set up.
        record_usage: let a worker write down in the coordination table what it asks of AWS, for
            ``celery aws cost actual``: a request each 15 minutes, or if it is idle each four hours.
        monthly_budget: dollars that the month's requests may cost by ``celery aws cost actual``;
            the doctor warns, and the exporter shows it beside what was spent. Default: none.
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
    visibility_timeout: VisibilityTimeout = 120
    wait_time_seconds: WaitTime = 20
    polling_interval: Seconds = 0.0
    batch_groups: Flag = True
    idle_backoff_seconds: Seconds = 0.0
    ack_linger_seconds: Seconds = 0.05
    last_poll_wait_seconds: Seconds = 20.0
    compression: Annotated[
        Text | None, Allowed("the name of a compression method, such as gzip")
    ] = None
    compression_threshold_bytes: Bytes = SQS_BILLED_CHUNK_BYTES - HEADERS_BYTES
    large_message_bucket: BucketText | None = None
    large_message_prefix: KeyPrefix = ""
    large_message_threshold_bytes: Bytes | None = None
    large_message_endpoint_url: HttpUrl | None = None
    short_eta_seconds: Seconds = 5.0
    coordination_table: TableNameOrOff | None = None
    create_coordination_table: Flag = True
    coordination_point_in_time_recovery: Flag = False
    coordination_kms_key: KmsKey | None = None
    coordination_table_tags: TextMap = field(default_factory=dict)
    coordination_deletion_protection: Flag = False
    coordination_endpoint_url: HttpUrl | None = None
    migration_deduplication: Flag = True
    inbox_lease_seconds: LeaseSeconds = 600
    event_heartbeat_seconds: HeartbeatSeconds = 15
    gossip: Flag = False
    health: Flag = True
    health_address: Text = "127.0.0.1"
    health_port: Port | None = None
    metrics_port: Port | None = None
    metrics_address: Text = "127.0.0.1"
    metrics_emf: Text | None = None
    metrics_emf_seconds: EmfSeconds = 60.0
    metrics_opentelemetry: Flag = False
    record_usage: Flag = True
    monthly_budget: Dollars | None = None
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
        ConfigurationError: an unknown key, a wrong type, a value out of AWS's range, or a
            compression that kombu does not know in this process.
    """
    others = KOMBU_KEYS | OTHER_BROKERS_KEYS
    ours = {key: value for key, value in raw.items() if key not in others}
    options = parse_options(BrokerOptions, ours, where=WHERE)
    _check_compression(options.compression)
    return options


def options_without_effect(raw: Mapping[str, Any]) -> list[str]:
    """Return the given options that are known and do nothing here."""
    names = [*WITHOUT_EFFECT, *sorted(OTHER_BROKERS_KEYS)]
    return [key for key in names if raw.get(key)]


def _check_compression(method: str | None) -> None:
    if method is None or _is_available(method):
        return
    available = ", ".join(filter(_is_available, _COMPRESSIONS))
    raise ConfigurationError(
        f"{WHERE}['compression'] = {method!r}: kombu does not know it here; it knows {available}. "
        "brotli and zstd need the package that kombu.compression imports for them, on every "
        "machine that sends or receives",
        where=WHERE,
        key="compression",
    )


def _is_available(method: str) -> bool:
    try:
        get_encoder(method)
    except KeyError:
        return False
    return True
