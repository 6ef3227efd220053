import logging
import os
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from celery_aws.aws.access import Access, AssumedRole
from celery_aws.aws.clients import client_for
from celery_aws.aws.meter import request_counts
from celery_aws.aws.sqs import SqsQueueService
from celery_aws.config.credentials import Credentials
from celery_aws.errors import AccessDeniedError, ConfigurationError
from celery_aws.names import QueueName
from tests.unit.aws.canned import Answer, CannedAws

ROLE = "arn:aws:iam::123456789012:role/worker"
FOUND = Answer(body={"QueueUrl": "http://sqs/1/q"})


def with_config(access: Access, **client_config: object) -> Access:
    return Access(
        region=access.region,
        endpoint_url=access.endpoint_url,
        credentials=access.credentials,
        client_config=client_config,
    )


def session_answer(number: int, *, seconds: float) -> Answer:
    ends = datetime.now(timezone.utc) + timedelta(seconds=seconds)
    body = (
        '<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>'
        f"<Credentials><AccessKeyId>ASIA{number}</AccessKeyId>"
        "<SecretAccessKey>role-secret</SecretAccessKey><SessionToken>role-token</SessionToken>"
        f"<Expiration>{ends.isoformat()}</Expiration></Credentials></AssumeRoleResult>"
        "</AssumeRoleResponse>"
    )
    return Answer(body=body, content_type="text/xml")


def sts_refusal(text: str) -> Answer:
    body = (
        '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error>'
        f"<Type>Sender</Type><Code>AccessDenied</Code><Message>{text}</Message></Error>"
        "<RequestId>request-2</RequestId></ErrorResponse>"
    )
    return Answer(status=403, body=body, content_type="text/xml")


@pytest.fixture
def role_access(canned_aws: CannedAws, monkeypatch: pytest.MonkeyPatch, access: Access) -> Access:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", canned_aws.url)
    canned_aws.answer("GetQueueUrl", FOUND)
    return Access(
        region=access.region,
        endpoint_url=access.endpoint_url,
        credentials=access.credentials,
        role=AssumedRole(role_arn=ROLE),
    )


def test_a_client_is_made_once_for_one_set_of_facts(access: Access) -> None:
    same = with_config(access)
    assert client_for("sqs", access) is client_for("sqs", same)
    assert client_for("sqs", access) is not client_for("sqs", access, attempts=1)
    assert client_for("sqs", access) is not client_for("sqs", with_config(access, user_agent="x"))


def test_requests_are_signed_with_the_credentials_given(
    canned_aws: CannedAws, access: Access
) -> None:
    canned_aws.answer("GetQueueUrl", FOUND)
    SqsQueueService(access).queue_url(QueueName("q"))
    assert canned_aws.asked[0].access_key_id == "AKIDEXAMPLE"
    assert "/eu-west-1/sqs/" in canned_aws.asked[0].headers["Authorization"]


def test_a_debug_log_shows_no_session_token(
    canned_aws: CannedAws, access: Access, caplog: pytest.LogCaptureFixture
) -> None:
    canned_aws.answer("GetQueueUrl", FOUND)
    temporary = Credentials(access_key_id="ASIA", secret_access_key="s", session_token="hush")
    caplog.set_level(logging.DEBUG)
    SqsQueueService(replace(access, credentials=temporary)).queue_url(QueueName("q"))
    assert "hush" not in caplog.text


def test_an_access_does_not_show_its_secret(access: Access) -> None:
    assert "se/cr+et" not in repr(access)


def test_our_deadlines_and_attempts_are_the_default(access: Access) -> None:
    config = client_for("sqs", access).meta.config
    assert (config.connect_timeout, config.read_timeout) == (5.0, 10.0)
    assert config.retries == {"mode": "standard", "total_max_attempts": 3}
    assert config.max_pool_connections == 100


def test_the_users_client_config_is_merged(access: Access) -> None:
    access = with_config(
        access, connect_timeout=1, read_timeout=60, retries={"mode": "adaptive", "max_attempts": 9}
    )
    config = client_for("sqs", access).meta.config
    assert (config.connect_timeout, config.read_timeout) == (1, 60)
    assert config.retries == {"mode": "adaptive", "total_max_attempts": 10}
    assert config.max_pool_connections == 100


def test_a_read_timeout_is_never_shorter_than_a_long_poll(access: Access) -> None:
    client = client_for("sqs", with_config(access, read_timeout=1), read_timeout_seconds=30)
    assert client.meta.config.read_timeout == 30


def test_one_attempt_stays_one_attempt(access: Access) -> None:
    config = with_config(access, retries={"max_attempts": 9})
    assert client_for("sqs", config, attempts=1).meta.config.retries["total_max_attempts"] == 1


@pytest.mark.parametrize("timeout", [None, "60", True])
def test_a_read_timeout_that_is_no_number(access: Access, timeout: object) -> None:
    with pytest.raises(ConfigurationError, match=r"client-config\['read_timeout'\] = .*a number"):
        client_for("sqs", with_config(access, read_timeout=timeout))


@pytest.mark.parametrize(
    "config", [{"conect_timeout": 1}, {"retries": {"mode": "x"}}, {"retries": {"tries": 1}}]
)
def test_a_client_config_that_botocore_refuses(access: Access, config: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError, match=r"client-config: .* botocore\.config\.Config"):
        client_for("sqs", with_config(access, **config))


@pytest.mark.parametrize(
    "access", [Access(region="eu west 1"), Access(region="eu-west-1", endpoint_url="http://a b")]
)
def test_a_region_or_endpoint_that_cannot_be_one(
    bare_environment: pytest.MonkeyPatch, access: Access
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        client_for("sqs", access)
    assert repr(access.region) in str(caught.value)


def test_a_forked_child_has_clients_and_counts_of_its_own(
    canned_aws: CannedAws, access: Access
) -> None:
    canned_aws.answer("GetQueueUrl", FOUND)
    SqsQueueService(access).queue_url(QueueName("q"))
    parents = client_for("sqs", access)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        own = client_for("sqs", access) is not parents
        os.write(writing, f"{own} {request_counts()}".encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        assert pipe.read() == "True {}"
    assert request_counts() == {"sqs.GetQueueUrl": 1}
    assert client_for("sqs", access) is parents


def test_a_role_is_assumed_once_for_many_requests(
    canned_aws: CannedAws, role_access: Access
) -> None:
    canned_aws.answer("AssumeRole", session_answer(1, seconds=900))
    service = SqsQueueService(role_access)
    for _ in range(3):
        service.queue_url(QueueName("q"))
    assert request_counts() == {"sqs.GetQueueUrl": 3, "sts.AssumeRole": 1}
    assumed, *others = canned_aws.asked
    assert assumed.access_key_id == "AKIDEXAMPLE"
    assert assumed.parameters["RoleArn"] == ROLE
    assert assumed.parameters["DurationSeconds"] == "900"
    assert {asked.access_key_id for asked in others} == {"ASIA1"}
    assert others[0].headers["X-Amz-Security-Token"] == "role-token"


@pytest.mark.parametrize(("seconds", "renewals"), [(121.5, 0), (119, 1), (59, 1)])
def test_a_role_is_renewed_two_minutes_before_its_session_ends(
    canned_aws: CannedAws, role_access: Access, seconds: float, renewals: int
) -> None:
    canned_aws.answer(
        "AssumeRole", session_answer(1, seconds=seconds), session_answer(2, seconds=900)
    )
    service = SqsQueueService(role_access)
    for _ in range(2):
        service.queue_url(QueueName("q"))
    assert request_counts()["sts.AssumeRole"] == 1 + renewals
    assert canned_aws.asked[-1].access_key_id == f"ASIA{1 + renewals}"


def test_a_role_that_may_not_be_assumed(canned_aws: CannedAws, role_access: Access) -> None:
    text = "User: arn:aws:iam::1:user/web is not authorized to perform: sts:AssumeRole"
    canned_aws.answer("AssumeRole", sts_refusal(text))
    with pytest.raises(AccessDeniedError, match=r"sts AssumeRole.*role/worker"):
        client_for("sqs", role_access)


def test_a_role_that_may_no_longer_be_assumed_is_not_the_queues_fault(
    canned_aws: CannedAws, role_access: Access
) -> None:
    canned_aws.answer("AssumeRole", session_answer(1, seconds=10), sts_refusal("not any more"))
    with pytest.raises(AccessDeniedError) as caught:
        SqsQueueService(role_access).queue_url(QueueName("q"))
    assert (caught.value.service, caught.value.operation) == ("sts", "AssumeRole")
