"""Parked tasks of any kind, for hypothesis."""

from datetime import datetime, timedelta, timezone

from hypothesis import strategies as st

from celery_aws.core.messages import OutgoingMessage
from celery_aws.core.parked_messages import mark_parked
from celery_aws.core.schedule import ScheduledTask
from celery_aws.names import AmqpQueue, QueueUrl

URL = QueueUrl("https://sqs.eu-west-1.amazonaws.com/123456789012/celery")

#: Any moment that a datetime can tell, in any zone, but where the zone leads out of its years.
MOMENTS = st.datetimes(
    datetime(1, 1, 2),  # noqa: DTZ001 - hypothesis adds the zone
    datetime(9999, 12, 30),  # noqa: DTZ001
    timezones=st.builds(
        lambda minutes: timezone(timedelta(minutes=minutes)), st.integers(-1_439, 1_439)
    ),
)

#: Whatever somebody calls a task: long, with separators, in any script.
TASK_IDS = st.one_of(
    st.uuids().map(str),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300),
    st.sampled_from(["#", "~", "a#b~c", "x" * 128, "x" * 129, "x" * 5_000, "é" * 128]),
)

QUEUES = st.sampled_from([AmqpQueue("celery"), AmqpQueue("high-3"), AmqpQueue("orders.fifo")])

_VALUES = st.one_of(
    st.text(max_size=40).map(lambda text: {"DataType": "String", "StringValue": text}),
    st.binary(max_size=40).map(lambda content: {"DataType": "Binary", "BinaryValue": content}),
    st.integers().map(lambda value: {"DataType": "Number", "StringValue": str(value)}),
)

MESSAGES = st.builds(
    OutgoingMessage,
    body=st.text(max_size=200),
    message_group_id=st.none() | st.text(max_size=20),
    message_deduplication_id=st.none() | st.text(max_size=20),
    message_attributes=st.dictionaries(st.text(min_size=1, max_size=10), _VALUES, max_size=10),
)

TASKS = st.builds(
    ScheduledTask,
    task_id=TASK_IDS,
    task=st.none() | st.text(min_size=1, max_size=20),
    due=MOMENTS,
    send_after=MOMENTS,
    queue=QUEUES,
    queue_url=st.just(URL),
    message=MESSAGES,
)


def task(
    task_id: str = "4b1f0f2e-8f6f-4a3a-9a3d-0c5c3f9f7a10",
    *,
    body: str = '{"body": "[[], {}, {}]"}',
    due: datetime = datetime(2026, 11, 22, 22, 46, tzinfo=timezone.utc),
) -> ScheduledTask:
    return ScheduledTask(
        task_id=task_id,
        task="shop.mail",
        due=due,
        send_after=due - timedelta(seconds=900),
        queue=AmqpQueue("celery"),
        queue_url=URL,
        message=mark_parked(OutgoingMessage(body=body), task_id),
    )
