from fnmatch import fnmatchcase
from uuid import UUID

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from celery_aws.core.inboxes import inbox_attributes, inbox_name, inbox_pattern, is_inbox_name
from celery_aws.core.queue_names import name_problem, queue_name
from celery_aws.limits import SQS_QUEUE_NAME_CHARACTERS
from celery_aws.names import AmqpQueue, QueueName
from celery_aws.testing.memory_rules import check_queue_attributes, check_queue_name

ID = "0123456789abcdef0123456789abcdef"

prefixes = st.text(alphabet="aZ0-_./:é", max_size=80)
ids = st.uuids().map(lambda each: each.hex)


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("", f"celery-inbox-{ID}.fifo"),
        ("web.team-", f"web-team-celery-inbox-{ID}.fifo"),
        ("p" * 30, f"{'p' * 30}celery-inbox-{ID}.fifo"),
        ("p" * 36, f"{'p' * 36}celery-{ID}.fifo"),
        ("p" * 43, f"{'p' * 43}{ID}.fifo"),
        ("p" * 74, f"{'p' * 43}{ID}.fifo"),
    ],
)
def test_names(prefix: str, expected: str) -> None:
    assert inbox_name(prefix, ID) == expected


@pytest.mark.parametrize(
    "name", ["celery", "celery-inbox-", f"celery-inbox-{ID}", f"tenant-{ID}.fifo", f"{ID}.fifo"]
)
def test_other_queues_are_no_inboxes(name: str) -> None:
    assert not is_inbox_name(QueueName(name))


@given(prefixes, ids)
def test_sqs_takes_the_name_wherever_it_takes_that_of_a_queue(prefix: str, inbox_id: str) -> None:
    assume(name_problem(queue_name(AmqpQueue("celery"), prefix)) is None)

    name = inbox_name(prefix, inbox_id)

    check_queue_name(name)
    assert is_inbox_name(name)
    check_queue_attributes(name, inbox_attributes(high_throughput=True))
    assert len(name) <= SQS_QUEUE_NAME_CHARACTERS


@given(prefixes, st.uuids(), st.uuids())
def test_no_two_inboxes_have_one_name(prefix: str, one: UUID, other: UUID) -> None:
    same = inbox_name(prefix, one.hex) == inbox_name(prefix, other.hex)

    assert same == (one == other)


@given(prefixes, ids)
def test_the_pattern_is_that_of_every_inbox(prefix: str, inbox_id: str) -> None:
    assert fnmatchcase(inbox_name(prefix, inbox_id), inbox_pattern(prefix))


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("", "celery-inbox-*.fifo"),
        ("web.team-", "web-team-celery-inbox-*.fifo"),
        ("p" * 30, f"{'p' * 30}celery-inbox-*.fifo"),
        ("p" * 36, f"{'p' * 36}celery-{'?' * 32}.fifo"),
    ],
)
def test_patterns(prefix: str, expected: str) -> None:
    assert inbox_pattern(prefix) == expected


def test_where_names_are_cut_the_pattern_is_not_that_of_a_queue_beside() -> None:
    prefix = "p" * 43
    assert not fnmatchcase(f"{prefix}orders.fifo", inbox_pattern(prefix))


def test_attributes_with_high_throughput() -> None:
    assert inbox_attributes(high_throughput=True) == {
        "FifoQueue": "true",
        "DeduplicationScope": "messageGroup",
        "FifoThroughputLimit": "perMessageGroupId",
        "MessageRetentionPeriod": "300",
        "VisibilityTimeout": "10",
    }


def test_attributes_without_it() -> None:
    assert inbox_attributes(high_throughput=False) == {
        "FifoQueue": "true",
        "MessageRetentionPeriod": "300",
        "VisibilityTimeout": "10",
    }
