"""Whatever an endpoint answers that is not quite AWS, a check finds something or nothing."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from celery_aws.doctor.catalogue import findings_of
from celery_aws.doctor.facts import Facts
from celery_aws.doctor.look import Look
from tests.unit.doctor.scenes import scene, with_attributes, with_buckets, with_target

pytestmark = pytest.mark.usefixtures("bare_environment")

WORDS = ["Statement", "Principal", "AWS", "Action", "*", "sqs:*", "byQueue", "denyAll"]

LEAVES = st.none() | st.booleans() | st.integers() | st.sampled_from(WORDS)

ANYTHING = LEAVES | st.lists(LEAVES, max_size=2) | st.dictionaries(st.sampled_from(WORDS), LEAVES)

STATEMENT = st.fixed_dictionaries(
    {"Effect": st.sampled_from(["Allow", "Deny"]), "Principal": ANYTHING, "Action": ANYTHING},
    optional={"Sid": ANYTHING, "Condition": ANYTHING},
)

ALLOWED = st.fixed_dictionaries(
    {"redrivePermission": st.just("byQueue") | ANYTHING, "sourceQueueArns": ANYTHING}
)


@pytest.fixture(scope="module")
def healthy() -> Facts:
    return scene(options={"large_message_bucket": "big"})


def examine(facts: Facts, policy: Any) -> None:
    """Look at a policy, of queues and of buckets."""
    text = json.dumps(policy)
    facts = with_attributes(facts, Policy=text)
    findings_of(
        with_buckets(facts, policy=Look(answer=text), public_access_blocked=Look(answer=False))
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(policy=ANYTHING)
def test_what_is_no_policy(healthy: Facts, policy: Any) -> None:
    examine(healthy, policy)
    examine(healthy, {"Statement": policy})


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(statements=st.lists(STATEMENT, min_size=1, max_size=2))
def test_what_is_no_statement(healthy: Facts, statements: Any) -> None:
    examine(healthy, {"Statement": statements})


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(allowed=ALLOWED)
def test_what_is_no_allow_policy(healthy: Facts, allowed: Any) -> None:
    findings_of(with_target(healthy, RedriveAllowPolicy=json.dumps(allowed)))


@pytest.mark.parametrize("text", ["", "many", "-1", "1.5", "12e3"])
def test_numbers(text: str) -> None:
    names = ("DelaySeconds", "MessageRetentionPeriod", "VisibilityTimeout", "MaximumMessageSize",
             "ApproximateNumberOfMessages")  # fmt: skip
    odd = dict.fromkeys(names, text)
    assert findings_of(with_target(with_attributes(scene(), **odd), **odd)) == []
