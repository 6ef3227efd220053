from typing import Any

import pytest

from celery_aws.config.results import ResultOptions, RetryOptions, parse_result_options
from celery_aws.errors import ConfigurationError


def test_the_query_of_a_url_becomes_typed_options() -> None:
    options = parse_result_options(
        {
            "table": "web.results-1",
            "region": "eu-west-1",
            "ttl_seconds": "86400",
            "create_table": "false",
            "read": "5",
            "write": "",
            "client-config": '{"connect_timeout": 5}',
        }
    )
    assert options == ResultOptions(
        table="web.results-1",
        region="eu-west-1",
        ttl_seconds=86400,
        create_table=False,
        read=5,
        client_config={"connect_timeout": 5},
    )


def test_what_celery_reads_itself_is_no_option_of_ours() -> None:
    assert parse_result_options({"global_keyprefix": "blue"}) == ResultOptions()


@pytest.mark.parametrize("text", [{"timeout": 5}, '{"timeout": 5}'])
def test_a_retry_policy_has_the_names_of_kombu(text: Any) -> None:
    policy = parse_result_options({"retry_policy": text}).retry_policy
    assert policy == RetryOptions(
        max_retries=20, interval_start=0, interval_step=1, interval_max=1, timeout=5
    )
    endless = parse_result_options({"retry_policy": {"max_retries": None}}).retry_policy
    assert endless is not None
    assert endless.max_retries is None


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ({"table": "ab"}, r"\['table'\] = 'ab': must be 3 to 255 letters"),
        ({"table": "a" * 256}, r"\['table'\] = a text of 256 characters: must be 3 to 255"),
        ({"table": "web results"}, "must be 3 to 255 letters"),
        ({"ttl_seconds": -2}, r"whole number of at least -1 \(seconds; -1 is for ever\)"),
        ({"read": 0}, "at least 1"),
        ({"ttl": 5}, "unknown option 'ttl'"),
        ({"ttl_second": 5}, "Did you mean 'ttl_seconds'"),
        ({"create_table": "perhaps"}, "must be true or false"),
        ({"retry_policy": 5}, r"\['retry_policy'\] = 5: must be a mapping such as"),
        ({"retry_policy": {"retries": 5}}, r"\['retry_policy'\]\['retries'\]: unknown key"),
        ({"retry_policy": {"timeout": -5}}, r"\['timeout'\] = -5"),
    ],
)
def test_a_wrong_option_is_named_with_value_and_range(raw: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words) as caught:
        parse_result_options(raw)
    assert caught.value.where == "result_backend"


def test_the_place_of_an_option_can_be_told() -> None:
    where = "result_backend_transport_options"
    with pytest.raises(ConfigurationError, match=where) as caught:
        parse_result_options({"reed": 5}, where=where)
    assert (caught.value.where, caught.value.key) == (where, "reed")


def test_a_session_token_is_not_in_the_representation() -> None:
    assert "s3cr3t" not in repr(parse_result_options({"session_token": "s3cr3t"}))


def test_where_large_results_go() -> None:
    options = parse_result_options(
        {
            "large_result_bucket": "my-bucket",
            "large_result_prefix": "results/",
            "large_result_endpoint_url": "http://localhost:4566",
        }
    )
    assert (options.large_result_bucket, options.large_result_prefix) == ("my-bucket", "results/")
    assert options.large_result_endpoint_url == "http://localhost:4566"
    for wrong in ({"large_result_bucket": "My"}, {"large_result_prefix": "../x"}):
        with pytest.raises(ConfigurationError, match="large_result_"):
            parse_result_options(wrong)
