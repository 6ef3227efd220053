import json

import pytest

from celery_aws.core.dead_letters import RedrivePolicy
from celery_aws.core.queue_facts import FACT_ATTRIBUTES, QueueFacts, queue_facts
from celery_aws.names import QueueArn

ARN = QueueArn("arn:aws:sqs:eu-west-1:123456789012:dead")

ANSWER = {
    "RedrivePolicy": json.dumps({"deadLetterTargetArn": ARN, "maxReceiveCount": 3}),
    "MaximumMessageSize": "262144",
    "MessageRetentionPeriod": "60",
    "DelaySeconds": "7",
}


def test_an_answer_is_read_whole() -> None:
    assert set(FACT_ATTRIBUTES) == set(ANSWER)
    assert queue_facts({**ANSWER, "QueueArn": "of no interest"}) == QueueFacts(
        redrive_policy=RedrivePolicy(target=ARN, max_receive_count=3),
        max_message_bytes=262_144,
        retention_seconds=60,
        delay_seconds=7,
    )


def test_what_is_not_known_is_as_sqs_makes_a_queue() -> None:
    facts = queue_facts({})

    assert facts == QueueFacts()
    assert (facts.redrive_policy, facts.refusal) == (None, None)
    assert (facts.max_message_bytes, facts.retention_seconds) == (1_048_576, 345_600)
    assert facts.delay_seconds == 0


@pytest.mark.parametrize("text", ["", "-1", "4 days", "60.5"])
def test_what_is_no_number_is_not_known(text: str) -> None:
    answer = dict.fromkeys(ANSWER, text)

    assert queue_facts(answer) == QueueFacts()
