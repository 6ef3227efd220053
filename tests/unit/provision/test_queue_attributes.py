import json

import pytest

from celery_aws.names import QueueArn, QueueName
from celery_aws.provision.queue_attributes import allowing, beside, different, shown, to_set

ARN = QueueArn("arn:aws:sqs:eu-west-1:123456789012:celery")
REDRIVE = '{"deadLetterTargetArn":"arn:aws:sqs:eu-west-1:123456789012:dead","maxReceiveCount":"3"}'


@pytest.mark.parametrize(
    ("name", "wanted", "found"),
    [
        ("VisibilityTimeout", "120", "120"),
        ("VisibilityTimeout", "30", None),
        ("DelaySeconds", "0", None),
        ("MessageRetentionPeriod", "345600", None),
        ("MaximumMessageSize", "1048576", None),
        ("ContentBasedDeduplication", "false", None),
        ("ContentBasedDeduplication", "True", "true"),
        ("FifoThroughputLimit", "perQueue", None),
        ("SqsManagedSseEnabled", "true", None),
        ("SqsManagedSseEnabled", "true", "true"),
        ("SqsManagedSseEnabled", "false", "false"),
        ("KmsMasterKeyId", "alias/celery", "arn:aws:kms:eu-west-1:123456789012:alias/celery"),
        ("KmsMasterKeyId", "arn:aws:kms:eu-west-1:123456789012:key/1234", "1234"),
        ("RedrivePolicy", REDRIVE, REDRIVE.replace('"3"', "3").replace(",", ", ")),
        (
            "Policy",
            '{"Statement": [{"Action": ["sqs:SendMessage"], "Effect": "Allow"}]}',
            '{"Statement":[{"Effect":"Allow","Action":"sqs:SendMessage"}]}',
        ),
        (
            "Policy",
            '{"Statement": [{"Principal": {"AWS": "123456789012"}}]}',
            '{"Statement":[{"Principal":{"AWS":"arn:aws:iam::123456789012:root"}}]}',
        ),
        (
            "Policy",
            '{"Statement": [{"Action": ["b", "a"]}]}',
            '{"Statement":[{"Action":["a","b"]}]}',
        ),
    ],
)
def test_sqs_says_the_same_in_other_words(name: str, wanted: str, found: str | None) -> None:
    assert different({name: wanted}, {} if found is None else {name: found}) == {}


@pytest.mark.parametrize(
    ("name", "wanted", "found"),
    [
        ("VisibilityTimeout", "120", "12"),
        ("VisibilityTimeout", "120", None),
        ("SqsManagedSseEnabled", "true", "false"),
        ("SqsManagedSseEnabled", "false", None),
        ("KmsMasterKeyId", "alias/celery", "alias/other"),
        ("KmsMasterKeyId", "alias/celery", None),
        ("RedrivePolicy", REDRIVE, REDRIVE.replace('"3"', "4")),
        ("RedrivePolicy", REDRIVE, None),
        ("Policy", '{"Statement": [{"Action": "a"}]}', '{"Statement":[{"Action":["a","b"]}]}'),
        ("Policy", '{"Statement": []}', "no JSON"),
    ],
)
def test_what_is_different_is_wanted(name: str, wanted: str, found: str | None) -> None:
    there = {} if found is None else {name: found}
    assert different({name: wanted}, there) == {name: wanted}


def test_a_queue_with_a_key_of_kms_has_no_encryption_of_sqs() -> None:
    there = {"KmsMasterKeyId": "alias/other"}
    wanted = {"SqsManagedSseEnabled": "true"}
    assert different(wanted, there) == wanted
    assert to_set(wanted, there) == {"SqsManagedSseEnabled": "true", "KmsMasterKeyId": ""}
    assert to_set(wanted, {}) == wanted


def test_what_nobody_asked_for_is_not_looked_at() -> None:
    assert different({}, {"DelaySeconds": "9", "Policy": "{}"}) == {}


def test_a_queue_beside_another() -> None:
    assert beside(ARN, QueueName("dead")) == "arn:aws:sqs:eu-west-1:123456789012:dead"


@pytest.mark.parametrize(
    "policy",
    [
        None,
        "",
        '{"redrivePermission": "allowAll"}',
        json.dumps({"redrivePermission": "byQueue", "sourceQueueArns": ["x", ARN]}),
    ],
)
def test_a_queue_that_may_use_its_dead_letter_queue(policy: str | None) -> None:
    assert allowing(policy, [ARN]) is None


def by_queue(*arns: str) -> str:
    return json.dumps({"redrivePermission": "byQueue", "sourceQueueArns": arns})


def test_a_queue_is_added_to_those_that_may() -> None:
    assert allowing(by_queue("x"), [ARN]) == by_queue("x", ARN)


def test_of_more_than_ten_all_may() -> None:
    assert allowing(by_queue(*"abcdefghi"), [ARN]) == by_queue(*"abcdefghi", ARN)
    allowed = allowing(by_queue(*"abcdefghij"), [ARN])
    assert allowed is not None
    assert json.loads(allowed) == {"redrivePermission": "allowAll"}


def test_none_may() -> None:
    with pytest.raises(ValueError, match="denyAll"):
        allowing('{"redrivePermission": "denyAll"}', [ARN])


def test_policies_for_people() -> None:
    assert shown("RedrivePolicy", REDRIVE) == "dead after 3 receives"
    assert shown("RedrivePolicy", '{"deadLetterTargetArn": "no arn", "maxReceiveCount": 1}') == (
        "no arn after 1 receives"
    )
    assert shown("RedrivePolicy", "{}") == "{}"
    assert shown("Policy", "x" * 200) == f"{'x' * 100}..."
    assert shown("VisibilityTimeout", "7") == "7"
    assert shown("Policy", None) is None
