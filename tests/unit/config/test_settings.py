from typing import Any

import pytest
from pydantic import ValidationError

from celery_aws.config.broker import BrokerOptions, parse_broker_options
from celery_aws.config.parsing import allowed_text
from celery_aws.config.results import ResultOptions, parse_result_options
from celery_aws.config.settings import Settings, check_names, readable
from celery_aws.config.urls import parse_broker_url, parse_result_url
from celery_aws.config.variables import variable_of
from celery_aws.errors import ConfigurationError

pytestmark = pytest.mark.usefixtures("bare_environment")

OWN = {"access_key": "AKIDOWN", "secret_key": "own/s3cr3t"}
USUAL = {"access_key_id": "AKIDUSUAL", "secret_access_key": "usual/s3cr3t"}


def made(**given: Any) -> Settings:
    return Settings(**given)


def test_the_names_and_defaults_are_those_of_the_issue() -> None:
    settings = Settings()
    fields = Settings.model_fields
    assert {
        name: (variable_of(field).name, getattr(settings, name)) for name, field in fields.items()
    } == {
        "access_key": ("AWS_ACCESS_KEY", None),
        "secret_key": ("AWS_SECRET_KEY", None),
        "access_key_id": ("AWS_ACCESS_KEY_ID", None),
        "secret_access_key": ("AWS_SECRET_ACCESS_KEY", None),
        "session_token": ("AWS_SESSION_TOKEN", None),
        "region": ("AWS_REGION", None),
        "endpoint_url": ("AWS_ENDPOINT_URL", None),
        "sqs_endpoint_url": ("AWS_ENDPOINT_URL_SQS", None),
        "dynamodb_endpoint_url": ("AWS_ENDPOINT_URL_DYNAMODB", None),
        "secret_id": ("AWS_SECRETS_MANAGER_SECRET_ID", None),
        "visibility_timeout": ("AWS_SQS_VISIBILITY_TIMEOUT", 3600),
        "polling_interval": ("AWS_SQS_POLLING_INTERVAL", 1.0),
        "wait_time_seconds": ("AWS_SQS_WAIT_TIME_SECONDS", 15),
        "queue_name_prefix": ("AWS_SQS_QUEUE_NAME_PREFIX", ""),
        "create_missing_queues": ("AWS_SQS_CREATE_MISSING_QUEUES", True),
        "table_name": ("AWS_DYNAMODB_TABLE_NAME", "celery"),
        "ttl_seconds": ("AWS_DYNAMODB_TTL_SECONDS", None),
        "create_table": ("AWS_DYNAMODB_CREATE_TABLE", True),
        "coordination_table": ("AWS_DYNAMODB_COORDINATION_TABLE", None),
    }


def test_ranges_are_those_of_the_options() -> None:
    for name in ("visibility_timeout", "polling_interval", "wait_time_seconds", "endpoint_url"):
        assert allowed_text(Settings, name) == allowed_text(BrokerOptions, name)
    assert allowed_text(Settings, "ttl_seconds") == allowed_text(ResultOptions, "ttl_seconds")
    assert allowed_text(Settings, "table_name") == allowed_text(ResultOptions, "table")


def test_settings_are_frozen_and_show_no_secret() -> None:
    settings = made(**OWN, **USUAL, session_token="s3cr3t")
    assert "s3cr3t" not in repr(settings)
    assert "s3cr3t" not in str(settings)
    assert "s3cr3t" not in str(settings.model_dump())
    with pytest.raises(ValidationError):
        settings.region = "eu-west-1"  # type: ignore[misc]


def test_a_pair_for_celery_alone_beats_the_usual_one() -> None:
    credentials = made(**OWN, **USUAL, session_token="token").credentials()
    assert credentials is not None
    assert credentials.access_key_id == "AKIDOWN"
    assert credentials.session_token is None  # it belongs to the usual pair


@pytest.mark.parametrize("pair", [OWN, USUAL])
def test_a_token_goes_with_the_only_pair(pair: dict[str, str]) -> None:
    credentials = made(**pair, session_token="token").credentials()
    assert credentials is not None
    assert credentials.session_token == "token"


def test_without_a_pair_there_are_no_credentials() -> None:
    assert Settings(session_token="token").credentials() is None


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({"access_key": "a"}, "AWS_SECRET_KEY"),
        ({"secret_key": "s3cr3t"}, "AWS_ACCESS_KEY"),
        ({"access_key_id": "a"}, "AWS_SECRET_ACCESS_KEY"),
        ({"secret_access_key": "s3cr3t"}, "AWS_ACCESS_KEY_ID"),
        ({"access_key": "a", **USUAL}, "AWS_SECRET_KEY"),
    ],
)
def test_half_a_pair_names_the_variable_that_is_missing(
    given: dict[str, str], missing: str
) -> None:
    for ask in (made(**given).credentials, made(**given).celery_config):
        with pytest.raises(ConfigurationError, match=f"^{missing} is missing: ") as caught:
            ask()
        assert caught.value.where == missing
        assert "s3cr3t" not in str(caught.value)


def test_what_celery_gets_is_what_our_parsers_take() -> None:
    config = made(
        **OWN,
        session_token="token",
        region="eu-west-1",
        endpoint_url="http://localhost:4566",
        dynamodb_endpoint_url="http://localhost:8000",
        queue_name_prefix="hoge-",
        ttl_seconds=-1,
    ).celery_config()
    broker = parse_broker_options(config["broker_transport_options"])
    results = parse_result_options(config["result_backend_transport_options"])
    result_url = parse_result_url(config["result_backend"])
    broker_pair = parse_broker_url(config["broker_url"]).credentials
    assert broker_pair == result_url.credentials
    assert broker_pair is not None
    assert broker_pair.secret_access_key == "own/s3cr3t"
    assert (broker.region, result_url.region, result_url.table) == (
        "eu-west-1",
        "eu-west-1",
        "celery",
    )
    assert (broker.visibility_timeout, broker.polling_interval, broker.wait_time_seconds) == (
        3600,
        1.0,
        15,
    )
    assert (broker.queue_name_prefix, broker.session_token) == ("hoge-", "token")
    assert (results.ttl_seconds, results.create_table) == (-1, True)
    assert (broker.endpoint_url, results.endpoint_url) == (
        "http://localhost:4566",
        "http://localhost:8000",
    )


def test_an_unknown_keyword_names_the_nearest_setting() -> None:
    with pytest.raises(ConfigurationError, match="Did you mean 'visibility_timeout'"):
        check_names({"visibilty_timeout": 5})
    check_names({"visibility_timeout": 5})


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"visibility_timeout": 1.5},
         "AWS_SQS_VISIBILITY_TIMEOUT = 1.5: must be a whole number from 1 to 43200 (seconds)"),
        ({"secret_key": ["s3cr3t"]}, "AWS_SECRET_KEY: must be text (value not shown)"),
        ({"session_token": 5}, "AWS_SESSION_TOKEN: must be text (value not shown)"),
        ({"region": 5}, "AWS_REGION = 5: must be text"),
    ],
)  # fmt: skip
def test_pydantics_findings_become_readable(given: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        made(**given)
    assert "s3cr3t" not in str(caught.value)
    assert str(readable(caught.value)) == words


def test_the_coordination_table_goes_to_the_broker() -> None:
    settings = made(
        coordination_table="off", create_table=False, dynamodb_endpoint_url="http://localhost:8000"
    )
    options = settings.celery_config()["broker_transport_options"]

    assert options["coordination_table"] is False
    assert options["create_coordination_table"] is False
    assert options["coordination_endpoint_url"] == "http://localhost:8000"
