from pathlib import Path

import pytest

from celery_aws.config.results import parse_result_options
from celery_aws.config.urls import parse_broker_url, parse_result_url
from celery_aws.local.environment import client_environment, server_environment


def test_server_sees_nothing_of_the_callers_account_nor_settings() -> None:
    inherited = {
        "PATH": "/bin",
        "AWS_PROFILE": "production",
        "AWS_SECRET_ACCESS_KEY": "real",
        "SERVICES": "rds",
        "USE_SSL": "1",
        "PYTHONWARNINGS": "error",
    }
    variables = server_environment(inherited, port=4566, region="eu-west-1")
    assert variables["PATH"] == "/bin"
    assert variables["AWS_SECRET_ACCESS_KEY"] == "test"
    assert "sqs" in variables["SERVICES"].split(",")
    assert not {"AWS_PROFILE", "USE_SSL", "PYTHONWARNINGS"} & set(variables)


def test_server_opens_nothing_but_the_given_port() -> None:
    variables = server_environment({}, port=4566, region="eu-west-1")
    assert variables["BIND_HOST"] == "127.0.0.1"
    assert variables["IOT_MTLS_ENABLED"] == "0"
    assert variables["SFTP_ENABLED"] == "0"
    assert not {"rds", "elasticache", "transfer", "iot", "mq"} & set(
        variables["SERVICES"].split(",")
    )


def test_server_keeps_state_only_in_a_data_folder() -> None:
    without = server_environment({}, port=1, region="eu-west-1")
    assert "PERSIST_STATE" not in without
    within = server_environment({}, port=1, region="eu-west-1", data_dir=Path("/data"))
    assert within["STATE_DIR"] == "/data/state"
    assert within["S3_DATA_DIR"] == "/data/s3"
    assert (within["PERSIST_STATE"], within["S3_PERSIST"]) == ("1", "1")


def test_client_urls_are_what_our_parsers_take() -> None:
    variables = client_environment({}, port=4566, region="eu-west-1", table="results")
    broker = parse_broker_url(variables["CELERY_BROKER_URL"])
    assert broker.endpoint is not None
    assert broker.endpoint.url(is_secure=None) == variables["AWS_ENDPOINT_URL"]
    results = parse_result_url(variables["CELERY_RESULT_BACKEND"])
    assert results.table == "results"
    assert parse_result_options(results.query).region == "eu-west-1"


@pytest.mark.parametrize(
    ("inherited", "expected"),
    [
        ({}, {}),
        ({"NO_PROXY": "intern"}, {}),
        ({"HTTP_PROXY": "http://proxy"}, {"NO_PROXY": "127.0.0.1"}),
        (
            {"http_proxy": "http://proxy", "no_proxy": "intern", "NO_PROXY": "other"},
            {"no_proxy": "intern,127.0.0.1"},
        ),
        ({"ALL_PROXY": "x", "NO_PROXY": "127.0.0.1"}, {"NO_PROXY": "127.0.0.1"}),
    ],
)
def test_client_goes_around_a_proxy(inherited: dict[str, str], expected: dict[str, str]) -> None:
    variables = client_environment(inherited, port=4566, region="eu-west-1")
    assert {name: variables[name] for name in variables if "proxy" in name.lower()} == expected
