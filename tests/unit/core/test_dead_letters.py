import json

import pytest

from celery_aws.core.dead_letters import (
    RedrivePolicy,
    dead_letter_name,
    is_dead_letter_name,
    owner_and_name,
    redrive_policy,
)
from celery_aws.core.queue_names import is_fifo, name_problem
from celery_aws.names import QueueArn, QueueName

ARN = QueueArn("arn:aws-cn:sqs:cn-north-1:123456789012:dead.fifo")


@pytest.mark.parametrize(
    ("name", "dead"),
    [("hoge-celery", "hoge-celery-dead-letter"), ("orders.fifo", "orders-dead-letter.fifo")],
)
def test_the_name_says_whose_it_is(name: str, dead: str) -> None:
    assert dead_letter_name(QueueName(name)) == dead
    assert is_dead_letter_name(QueueName(dead))
    assert not is_dead_letter_name(QueueName(name))


@pytest.mark.parametrize("suffix", ["", ".fifo"])
@pytest.mark.parametrize("length", [1, 60, 68, 69, 75, 80])
def test_every_name_has_room_for_one_of_its_own(length: int, suffix: str) -> None:
    stem = "x" * (length - len(suffix) - 1)
    names = [QueueName(f"{stem}{last}{suffix}") for last in "ab"]
    dead = [dead_letter_name(name) for name in names]

    assert len(set(dead)) == 2
    assert all(len(name) <= 80 and name_problem(name) is None for name in dead)
    assert all(is_dead_letter_name(name) and is_fifo(name) == bool(suffix) for name in dead)


def test_a_policy_is_read_as_it_was_written() -> None:
    policy = RedrivePolicy(target=ARN, max_receive_count=10)

    assert json.loads(policy.text()) == {"deadLetterTargetArn": ARN, "maxReceiveCount": 10}
    assert redrive_policy(policy.text()) == policy


def test_a_count_may_be_text() -> None:
    policy = redrive_policy(f'{{"deadLetterTargetArn": "{ARN}", "maxReceiveCount": "3"}}')

    assert policy == RedrivePolicy(target=ARN, max_receive_count=3)


@pytest.mark.parametrize("text", [None, "", "{}", "[]", "null", '{"maxReceiveCount": 3}', "{"])
def test_what_names_no_queue_is_no_policy(text: str | None) -> None:
    assert redrive_policy(text) is None


def test_an_arn_says_owner_and_name() -> None:
    assert owner_and_name(ARN) == ("123456789012", "dead.fifo")


@pytest.mark.parametrize("arn", ["", "dead", "arn:aws:sns:eu-west-1:1:dead", "arn:aws:sqs:e:1:"])
def test_an_arn_of_something_else_is_refused(arn: str) -> None:
    with pytest.raises(ValueError, match="not the ARN of a queue"):
        owner_and_name(QueueArn(arn))
