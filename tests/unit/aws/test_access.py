import pytest

from celery_aws.aws.access import (
    LOCAL_REGION,
    Access,
    AssumedRole,
    access_of,
    reaches_aws,
    region_of_host,
    resolve_region,
)
from celery_aws.config.access import AccessOptions
from celery_aws.config.credentials import Credentials
from celery_aws.config.urls import Endpoint
from celery_aws.errors import ConfigurationError

ROLE = "arn:aws:iam::123456789012:role/worker"
PAIR = Credentials(access_key_id="AKIA", secret_access_key="s")


def test_a_margin_that_eats_the_session_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"sts_token_buffer_time = 840.*less than 840"):
        AssumedRole(role_arn=ROLE, duration_seconds=900, buffer_seconds=840)
    assert AssumedRole(role_arn=ROLE, buffer_seconds=839).advisory_seconds == 899


def test_the_first_region_named_wins(bare_environment: pytest.MonkeyPatch) -> None:
    def region(*candidates: str | None) -> str:
        return resolve_region(*candidates, endpoint_url="http://localhost:4566", where="broker")

    assert region("eu-west-1", "eu-west-2") == "eu-west-1"
    assert region(None, "eu-west-2") == "eu-west-2"
    assert region(None) == LOCAL_REGION
    bare_environment.setenv("AWS_DEFAULT_REGION", "us-west-1")
    assert region(None) == "us-west-1"
    bare_environment.setenv("AWS_REGION", "us-west-2")
    assert region(None) == "us-west-2"
    assert region("eu-west-1") == "eu-west-1"


def test_the_region_of_a_profile(
    bare_environment: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("aws") / "config"
    file.write_text("[profile web]\nregion = ap-northeast-1\n")
    bare_environment.setenv("AWS_CONFIG_FILE", str(file))
    bare_environment.setenv("AWS_PROFILE", "web")
    assert resolve_region(None, endpoint_url=None, where="broker") == "ap-northeast-1"
    bare_environment.setenv("AWS_PROFILE", "wed")
    with pytest.raises(ConfigurationError, match=r"wed.*AWS_PROFILE"):
        resolve_region(None, endpoint_url=None, where="broker")


def test_no_region_anywhere(bare_environment: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="broker_url: no AWS region") as caught:
        resolve_region(None, "", endpoint_url=None, where="broker_url")
    assert caught.value.key == "region"
    assert "AWS_REGION" in str(caught.value)


def test_everything_that_was_said_is_in_the_access() -> None:
    options = AccessOptions(
        sts_role_arn=ROLE, sts_token_buffer_time=300, session_token="t", is_secure=True
    )
    access = access_of(
        options,
        credentials=PAIR,
        endpoint=Endpoint(host="sqs.example", port=8443),
        regions=(None, "eu-west-1"),
        where="broker_url",
    )
    assert access == Access(
        region="eu-west-1",
        endpoint_url="https://sqs.example:8443",
        credentials=Credentials(access_key_id="AKIA", secret_access_key="s", session_token="t"),
        role=AssumedRole(role_arn=ROLE, buffer_seconds=300),
    )


def test_the_options_are_stronger_than_the_url() -> None:
    options = AccessOptions(
        region="us-west-2",
        endpoint_url="http://localhost:1",
        client_config={"region_name": "us-east-2"},
    )
    access = access_of(
        options,
        credentials=None,
        endpoint=Endpoint(host="elsewhere"),
        regions=("eu-west-1",),
        where="broker_url",
    )
    assert (access.region, access.endpoint_url) == ("us-west-2", "http://localhost:1")


def test_a_region_of_the_client_config_counts(bare_environment: pytest.MonkeyPatch) -> None:
    options = AccessOptions(client_config={"region_name": "us-east-2"})
    access = access_of(options, credentials=None, endpoint=None, where="broker_url")
    assert access.region == "us-east-2"


def test_a_token_needs_a_pair() -> None:
    options = AccessOptions(region="eu-west-1", session_token="hush")
    with pytest.raises(ConfigurationError, match="without a key pair in the URL") as failure:
        access_of(options, credentials=None, endpoint=None, where="broker_url")
    assert "hush" not in str(failure.value)


@pytest.mark.parametrize(
    ("url", "region"),
    [
        ("https://sqs.eu-west-1.amazonaws.com/123456789012/celery", "eu-west-1"),
        ("https://sqs.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ("https://sqs.eu-west-1.api.aws", "eu-west-1"),
        ("https://vpce-1-abc.sqs.eu-west-1.vpce.amazonaws.com", "eu-west-1"),
        ("https://queue.amazonaws.com/123456789012/celery", None),
        ("http://localhost:4566", None),
        ("https://eu-west-1.example.com", None),
    ],
)
def test_regions_of_hosts(url: str, region: str | None) -> None:
    assert region_of_host(url) == region


def test_an_emulator_is_not_aws(bare_environment: pytest.MonkeyPatch) -> None:
    here = Access(region="eu-west-1")
    assert reaches_aws(here, "sqs")
    assert not reaches_aws(Access(region="eu-west-1", endpoint_url="http://localhost:1"), "sqs")
    aws = Access(region="eu-west-1", endpoint_url="https://sqs.eu-west-1.amazonaws.com")
    assert reaches_aws(aws, "sqs")
    bare_environment.setenv("AWS_ENDPOINT_URL_SQS", "http://localhost:1")
    assert not reaches_aws(here, "sqs")
    assert reaches_aws(here, "dynamodb")
    bare_environment.setenv("AWS_ENDPOINT_URL", "http://localhost:1")
    assert not reaches_aws(here, "dynamodb")
