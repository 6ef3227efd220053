"""What is applied is as planned afterwards, whatever was there and wherever it was interrupted."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from celery_aws.deployment import Deployment
from celery_aws.errors import AlreadyExistsError, ThrottledError
from celery_aws.names import BucketName, QueueName, TableName
from celery_aws.provision import Verdict, apply
from celery_aws.testing.memory_buckets import MemoryBucket
from tests.unit.provision.account import Account, Interruption, KilledError, deployment

#: More than most of the deployments below take: some are not interrupted.
MOST_REQUESTS = 80

EVERYTHING: dict[str, Any] = {
    "options": {
        "queue_name_prefix": "hoge-",
        "queue_tags": {"team": "web"},
        "large_message_bucket": "big",
        "large_message_prefix": "tasks/",
        "coordination_point_in_time_recovery": True,
        "coordination_kms_key": "alias/celery",
        "coordination_deletion_protection": True,
        "coordination_table_tags": {"team": "web"},
        "sqs-creation-attributes": {"KmsMasterKeyId": "alias/celery", "DelaySeconds": 3},
    },
    "results": {
        "read": 3,
        "write": 2,
        "large_result_bucket": "big",
        "large_result_prefix": "results/",
    },
    "task_routes": {"proj.pay": "pay.fifo"},
    "task_queue_max_priority": 9,
}


def everything() -> Deployment:
    return deployment(**EVERYTHING)


def test_everything_is_made_in_order(account: Account) -> None:
    wanted = everything()
    assert account.provision(wanted) == [
        "hoge-celery-dead-letter",
        "hoge-celery",
        "hoge-celery-priority-3",
        "hoge-celery-priority-6",
        "hoge-celery-priority-9",
        "hoge-pay-dead-letter.fifo",
        "hoge-pay.fifo",
        "hoge-pay-priority-3.fifo",
        "hoge-pay-priority-6.fifo",
        "hoge-pay-priority-9.fifo",
        "results",
        "hoge-celery-coordination",
        "big",
    ]
    assert account.plan(wanted).is_empty
    assert account.provision(wanted) == []


def requests_of(wanted: Deployment) -> int:
    met = Interruption()
    Account().provision(wanted, met)
    return met.requests


@pytest.mark.parametrize("executed", [False, True], ids=["not executed", "executed"])
def test_killed_at_any_request_and_run_again_it_is_done(
    bare_environment: pytest.MonkeyPatch, *, executed: bool
) -> None:
    wanted = everything()
    for at in range(1, requests_of(wanted) + 1):
        account = Account()
        with pytest.raises(KilledError):
            account.provision(wanted, Interruption(at, executed=executed))
        account.provision(wanted)
        assert account.plan(wanted).is_empty, f"killed at request {at}"


ATTRIBUTES = st.fixed_dictionaries(
    {},
    optional={
        "DelaySeconds": st.integers(0, 900).map(str),
        "VisibilityTimeout": st.integers(0, 43_200).map(str),
        "MessageRetentionPeriod": st.integers(60, 1_209_600).map(str),
        "KmsMasterKeyId": st.sampled_from(["alias/aws/sqs", "alias/other"]),
        "RedrivePolicy": st.just(""),
        "Policy": st.just('{"Statement": []}'),
    },
)
TAGS = st.dictionaries(st.sampled_from(["team", "cost"]), st.sampled_from(["web", "1"]))

OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "queue_name_prefix": st.sampled_from(["hoge-", "a.b_"]),
        "queue_tags": TAGS,
        "max_receive_count": st.integers(0, 5),
        "visibility_timeout": st.integers(1, 43_200),
        "priority_steps": st.sampled_from([[0, 5], [0, 3, 9]]),
        "coordination_table": st.just(False),
        "coordination_point_in_time_recovery": st.booleans(),
        "coordination_deletion_protection": st.booleans(),
        "coordination_kms_key": st.sampled_from(["alias/celery", "alias/aws/dynamodb", "1234"]),
        "coordination_table_tags": TAGS,
        "large_message_bucket": st.just("big"),
        "large_message_prefix": st.sampled_from(["tasks/", "celery/tasks/"]),
        "sqs-creation-attributes": st.fixed_dictionaries(
            {},
            optional={
                "DelaySeconds": st.integers(0, 900),
                "SqsManagedSseEnabled": st.booleans(),
                "MaximumMessageSize": st.integers(1_024, 1_048_576),
            },
        ),
    },
)
RESULTS = st.fixed_dictionaries(
    {},
    optional={
        "read": st.integers(1, 9),
        "write": st.integers(1, 9),
        "table_tags": TAGS,
        "large_result_bucket": st.just("big"),
        "large_result_prefix": st.sampled_from(["results/", "celery/"]),
    },
)


@settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    options=OPTIONS,
    results=RESULTS,
    before=st.dictionaries(st.integers(0, 7), ATTRIBUTES, max_size=4),
    removed=st.sets(st.integers(0, 7), max_size=3),
    drift=st.dictionaries(st.integers(0, 7), ATTRIBUTES, max_size=4),
    expires=st.sampled_from([None, 60, 86_400]),
    at=st.integers(1, MOST_REQUESTS),
    executed=st.booleans(),
)
def test_whatever_was_there_it_is_as_planned_afterwards(
    bare_environment: pytest.MonkeyPatch,
    *,
    options: dict[str, Any],
    results: dict[str, Any],
    before: dict[int, dict[str, str]],
    removed: set[int],
    drift: dict[int, dict[str, str]],
    expires: int | None,
    at: int,
    executed: bool,
) -> None:
    account = Account()
    wanted = deployment(
        options=options,
        results=results,
        result_expires=expires,
        task_routes={"proj.pay": "pay.fifo"},
    )
    names = [queue.name for queue in wanted.queues]
    for number, attributes in before.items():
        create_by_hand(account, names[number % len(names)], attributes)
    try:
        account.provision(wanted, Interruption(at, executed=executed))
    except KilledError:
        account.provision(wanted)
    assert account.plan(wanted).is_empty

    for number in removed:
        delete_by_hand(account, names[number % len(names)])
    for number, attributes in drift.items():
        change_by_hand(account, names[number % len(names)], attributes)
    account.provision(wanted)
    assert account.plan(wanted).is_empty


def create_by_hand(account: Account, name: QueueName, attributes: dict[str, str]) -> None:
    fifo = {"FifoQueue": "true"} if name.endswith(".fifo") else {}
    given_ = {key: value for key, value in attributes.items() if value}
    with suppress(AlreadyExistsError):
        account.queues.create_queue(name, {**given_, **fifo}, {"by": "hand"})


def change_by_hand(account: Account, name: QueueName, attributes: dict[str, str]) -> None:
    if name in [queue.name for queue in account.queues._account.all()]:
        account.queues.set_queue_attributes(account.queues.queue_url(name), attributes)


def delete_by_hand(account: Account, name: QueueName) -> None:
    if name in [queue.name for queue in account.queues._account.all()]:
        account.queues.delete_queue(account.queues.queue_url(name))


def test_what_the_operator_added_stays(account: Account) -> None:
    wanted = deployment(options={"queue_tags": {"team": "web"}})
    account.provision(wanted)
    url = account.queues.queue_url(QueueName("celery"))
    account.queues.set_queue_attributes(url, {"DelaySeconds": "9", "VisibilityTimeout": "7"})
    account.queues.tag_queue(url, {"cost": "1"})
    account.provision(wanted)
    found = account.queues.queue_attributes(url, ["All"])
    assert (found["DelaySeconds"], found["VisibilityTimeout"]) == ("9", "120")
    assert account.queues.queue_tags(url) == {"team": "web", "cost": "1"}


def test_a_name_that_was_just_deleted_is_waited_for(account: Account) -> None:
    wanted = deployment()
    account.provision(wanted)
    account.queues.delete_queue(account.queues.queue_url(QueueName("celery")))
    account.provision(wanted)
    assert account.plan(wanted).is_empty
    assert 60 <= sum(account.clock.sleeps) < 70
    assert "celery was deleted less than 60 s ago: waiting" in account.said


def test_any_other_throttling_is_not_waited_for(account: Account) -> None:
    error = ThrottledError("slower", operation="CreateQueue", code="RequestThrottled")
    account.queues.faults.fail("CreateQueue", error)
    with pytest.raises(ThrottledError):
        account.provision(deployment())
    assert account.clock.sleeps == []


def test_a_queue_that_somebody_makes_meanwhile_is_changed(account: Account) -> None:
    wanted = deployment(options={"queue_tags": {"team": "web"}})
    services = account.services()
    plan = account.plan(wanted)
    account.queues.create_queue(QueueName("celery"), {"VisibilityTimeout": "5"}, {})

    apply(plan, wanted, services, done=lambda _: None, say=lambda _: None)
    assert account.plan(wanted).is_empty


def test_a_conflict_is_left_and_the_rest_is_done(account: Account) -> None:
    wanted = deployment(results={"table": "results"})
    account.tables.create_table(TableName("results"), wanted.tables[1].spec)
    done = account.provision(wanted)
    assert "results" not in done
    assert "celery" in done
    (conflict,) = account.plan(wanted).conflicts
    assert conflict.verdict is Verdict.CONFLICT
    assert "has to be id (S)" in conflict.conflicts[0]


def test_rules_of_others_stay_as_they_are(account: Account) -> None:
    theirs = {"ID": "theirs", "Status": "Enabled", "Filter": {"Prefix": "logs/"}, "x": ["y"]}
    bucket = MemoryBucket(region="us-east-1", public_access_blocked=False, encrypted=False)
    bucket.lifecycle = type(bucket.lifecycle)(rules=(theirs,), minimum_size="varies")
    account.buckets.buckets[BucketName("big")] = bucket
    wanted = deployment(
        options={"large_message_bucket": "big", "large_message_prefix": "tasks/"}, backend=None
    )
    account.provision(wanted)
    assert bucket.lifecycle.rules[0] is theirs
    assert [rule["ID"] for rule in bucket.lifecycle.rules] == [
        "theirs",
        "celery-aws-messages:tasks/",
    ]
    assert bucket.lifecycle.minimum_size == "varies"
    assert not bucket.public_access_blocked
    assert not bucket.encrypted


def test_an_empty_bucket_without_rules_is_finished(account: Account) -> None:
    account.buckets.buckets[BucketName("big")] = MemoryBucket(
        region="us-east-1", public_access_blocked=False, encrypted=False
    )
    wanted = deployment(options={"large_message_bucket": "big"}, backend=None)
    account.provision(wanted)
    made = account.buckets.buckets[BucketName("big")]
    assert made.public_access_blocked
    assert made.encrypted
    assert [rule["ID"] for rule in made.lifecycle.rules] == ["celery-aws-messages"]


def test_two_at_once(account: Account) -> None:
    wanted = everything()
    plans = [account.plan(wanted), account.plan(wanted)]
    for plan in plans:
        apply(plan, wanted, account.services(), done=lambda _: None, say=lambda _: None)
    assert account.plan(wanted).is_empty
    rules = account.buckets.buckets[BucketName("big")].lifecycle.rules
    assert len(rules) == 2
