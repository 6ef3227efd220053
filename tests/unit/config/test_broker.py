from typing import Any

import pytest
from kombu import compression

from celery_aws.config.broker import (
    BrokerOptions,
    PredefinedQueue,
    options_without_effect,
    parse_broker_options,
)
from celery_aws.errors import ConfigurationError

QUEUE = "https://sqs.eu-west-1.amazonaws.com/123456789012/web"


def refused(raw: dict[str, Any]) -> str:
    with pytest.raises(ConfigurationError) as caught:
        parse_broker_options(raw)
    assert caught.value.where == "broker_transport_options"
    return str(caught.value)


def test_the_configuration_that_the_project_comes_from() -> None:
    options = parse_broker_options(
        {
            "region": "ap-northeast-1",
            "visibility_timeout": "3600",
            "polling_interval": "1",
            "wait_time_seconds": "15",
            "queue_name_prefix": "hoge-",
        }
    )
    assert options == BrokerOptions(
        region="ap-northeast-1",
        visibility_timeout=3600,
        polling_interval=1.0,
        wait_time_seconds=15,
        queue_name_prefix="hoge-",
    )


def test_every_name_of_the_stock_transport_is_known() -> None:
    options = parse_broker_options(
        {
            "region": "eu-west-1",
            "endpoint_url": "http://localhost:4566",
            "is_secure": "false",
            "port": "4566",
            "client-config": {"connect_timeout": 5},
            "sts_role_arn": "arn:aws:iam::123456789012:role/web",
            "sts_token_timeout": "1800",
            "sts_token_buffer_time": "300",
            "predefined_queues": {"web": {"url": QUEUE, "backoff_policy": {1: 10, "2": "20"}}},
            "queue_tags": {"team": "web", "cost": 5},
            "sqs-creation-attributes": {"VisibilityTimeout": 120},
            "sqs_base64_encoding": True,
            "fetch_message_attributes": {"MessageAttributeNames": ["All"]},
        }
    )
    assert options.client_config == {"connect_timeout": 5}
    assert options.predefined_queues["web"].backoff_policy == {1: 10, 2: 20}
    assert options.queue_tags == {"team": "web", "cost": "5"}
    assert (options.sts_token_timeout, options.sts_token_buffer_time) == (1800, 300)


def test_creation_attributes_become_the_text_that_sqs_takes() -> None:
    redrive = {"deadLetterTargetArn": "arn:aws:sqs:eu-west-1:1:dead", "maxReceiveCount": 5}
    attributes = {"DelaySeconds": 5, "FifoQueue": True, "KmsKeyId": "k", "RedrivePolicy": redrive}
    options = parse_broker_options({"sqs-creation-attributes": attributes})
    assert options.sqs_creation_attributes == {
        "DelaySeconds": "5",
        "FifoQueue": "true",
        "KmsKeyId": "k",
        "RedrivePolicy": (
            '{"deadLetterTargetArn": "arn:aws:sqs:eu-west-1:1:dead", "maxReceiveCount": 5}'
        ),
    }


def test_mappings_may_come_as_json_from_the_environment() -> None:
    options = parse_broker_options(
        {
            "predefined_queues": f'{{"web": {{"url": "{QUEUE}"}}}}',
            "sqs-creation-attributes": '{"DelaySeconds": 5}',
        }
    )
    assert options.predefined_queues == {"web": PredefinedQueue(url=QUEUE)}
    assert options.sqs_creation_attributes == {"DelaySeconds": "5"}


def test_priorities_may_come_as_text_and_in_any_order() -> None:
    options = parse_broker_options({"priority_steps": "[9, 0, 3, 3]", "highest_priority": "9"})
    assert (options.priority_steps, options.highest_priority) == ((0, 3, 9), 9)


def test_what_kombu_adds_or_reads_itself_is_no_option_of_ours() -> None:
    kombus = {"max_retries": 3, "interval_start": 0, "errback": print, "callback": None}
    assert parse_broker_options(kombus) == BrokerOptions()


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ({"visibility_timeout": "abc"}, "= 'abc': must be a whole number from 1 to 43200"),
        ({"visibility_timeout": 99999}, "= 99999: must be a whole number from 1 to 43200"),
        ({"wait_time_seconds": 21}, "= 21: must be a whole number from 0 to 20"),
        ({"max_receive_count": 1_001}, "= 1001: must be a whole number from 0 to 1000"),
        ({"priority_steps": [3, 6]}, "must be a list of whole numbers from 0 to 9, with 0"),
        ({"priority_steps": [0, 10]}, "['priority_steps']['1'] = 10"),
        ({"priority_steps": 3}, "must be a list of whole numbers from 0 to 9"),
        ({"highest_priority": 5}, "= 5: must be 0 or 9"),
        ({"wait_time_second": 1}, "Did you mean 'wait_time_seconds'?"),
        ({"large_message_bucket": "My_Bucket"}, "= 'My_Bucket': must be the name of an S3 bucket"),
        ({"large_message_prefix": "/tasks"}, "= '/tasks': must be up to 988 characters of"),
        ({"large_message_prefix": "a/../b"}, "no '/' or '.' at the start, no '..'"),
        ({"large_message_prefix": "t\u00e9"}, "must be up to 988 characters"),
        ({"large_message_prefix": "x" * 989}, "must be up to 988 characters"),
        ({"large_message_endpoint_url": "minio"}, "must be a URL such as"),
        ({"coordination_table": "ab"}, "['coordination_table'] = 'ab': must be 3 to 255 letters"),
        ({"coordination_table": "a" * 256}, "['coordination_table'] = a text of 256 characters: "),
        ({"coordination_table": "my table"}, "= 'my table': must be 3 to 255 letters, digits"),
        ({"coordination_table": True}, "= True: must be 3 to 255 letters, digits"),
        ({"coordination_table": 0}, "= 0: must be 3 to 255 letters, digits"),
        ({"compression_threshold_bytes": -1}, "= -1: must be a whole number of at least 0 (bytes)"),
        ({"endpoint_url": "localhost"}, "must be a URL such as http://localhost:4566"),
        ({"endpoint_url": "http://me:s3cr3t@localhost"}, "'http://**@localhost': must be a URL"),
        ({"sts_role_arn": "web"}, "must be the ARN of an IAM role"),
        ({"queue_tags": "{"}, "must be a mapping from text to text"),
        ({"sqs-creation-attributes": 5}, "must be a mapping of SQS attributes"),
        ({"predefined_queues": 5}, "must be a mapping from queue name to {'url'"),
        ({"predefined_queues": {"web": {}}}, "['predefined_queues']['web']['url']"),
        ({"predefined_queues": {"web": {"ulr": QUEUE}}}, "['web']"),
        ({"predefined_queues": {"web": QUEUE}}, f"['predefined_queues']['web'] = '{QUEUE}'"),
        ({"predefined_queues": {"web": {"url": QUEUE, "x": 1}}}, "['web']['x']: unknown key"),
    ],
)
def test_a_wrong_option_is_named_with_value_and_range(raw: dict[str, Any], words: str) -> None:
    assert words in refused(raw)


def test_a_compression_that_kombu_does_not_know_is_named_with_those_that_it_knows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("zstd", "brotli"):
        monkeypatch.delitem(compression._aliases, name, raising=False)
    words = refused({"compression": "zstd"})
    assert "['compression'] = 'zstd': kombu does not know it here" in words
    assert "it knows gzip, bzip2, lzma." in words


def test_any_compression_that_kombu_knows_will_do() -> None:
    options = parse_broker_options({"compression": "gzip", "compression_threshold_bytes": "1000"})
    assert (options.compression, options.compression_threshold_bytes) == ("gzip", 1000)
    assert parse_broker_options({"compression": "application/x-lzma"}).compression is not None
    assert parse_broker_options({"compression": ""}).compression is None


def test_large_messages_need_a_bucket_and_may_have_a_prefix() -> None:
    given = {"large_message_bucket": "my-bucket.1", "large_message_prefix": "tasks/v1.0_a-b/"}
    options = parse_broker_options({**given, "large_message_threshold_bytes": "500000"})
    assert options.large_message_bucket == "my-bucket.1"
    assert options.large_message_prefix == "tasks/v1.0_a-b/"
    assert options.large_message_threshold_bytes == 500_000
    assert parse_broker_options({"large_message_prefix": "x" * 988}).large_message_bucket is None


@pytest.mark.parametrize(
    "value",
    [
        {"web": {"url": QUEUE, "secret_access_key": ["s3cr3t"]}},
        {"web": {"secret_access_key": "s3cr3t"}},
        {"web": [{"secret_access_key": "s3cr3t"}]},
        '{"web": {"secret_access_key": "s3cr3t"}',
        [{"secret_access_key": "s3cr3t"}],
    ],
)
def test_secrets_of_predefined_queues_are_never_shown(value: Any) -> None:
    assert "s3cr3t" not in refused({"predefined_queues": value})


def test_secrets_are_not_in_the_representation() -> None:
    queues = {"web": {"url": QUEUE, "access_key_id": "key", "secret_access_key": "s3cr3t"}}
    options = parse_broker_options({"session_token": "s3cr3t", "predefined_queues": queues})
    assert options.predefined_queues["web"].secret_access_key == "s3cr3t"
    assert "s3cr3t" not in repr(options)


def test_options_without_effect_are_named_when_they_are_given() -> None:
    raw = {"supports_fanout": True, "regioninfo": None, "region": "eu-west-1"}
    assert options_without_effect(raw) == ["supports_fanout"]


def test_who_takes_from_redis_and_sends_to_sqs_has_the_options_of_both() -> None:
    from kombu.transport import redis

    raw = {"region": "eu-west-1", "global_keyprefix": "shop:", "sep": ":"}
    assert parse_broker_options(raw).region == "eu-west-1"
    assert options_without_effect(raw) == ["global_keyprefix", "sep"]
    of_redis = set(redis.SentinelChannel.from_transport_options)
    parse_broker_options(dict.fromkeys(of_redis - {"visibility_timeout", "priority_steps"}, ""))
