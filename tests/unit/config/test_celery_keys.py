from celery_aws.config.celery_keys import celery_keys, namespaced
from celery_aws.config.credentials import Credentials


def test_nothing_known_leaves_everything_to_the_default_chain() -> None:
    assert celery_keys(
        credentials=None,
        region=None,
        table="celery",
        broker_options={"endpoint_url": None},
        result_options={},
    ) == {
        "broker_url": "aws+sqs://",
        "broker_transport_options": {},
        "result_backend": "aws+dynamodb://@/celery",
        "result_backend_transport_options": {},
    }


def test_a_secret_goes_into_the_urls_and_a_token_into_the_options() -> None:
    pair = Credentials(access_key_id="AK/D", secret_access_key="s/+@", session_token="t")
    assert celery_keys(
        credentials=pair,
        region="eu-west-1",
        table="web",
        broker_options={"wait_time_seconds": 0},
        result_options={"ttl_seconds": -1, "read": None},
    ) == {
        "broker_url": "aws+sqs://AK%2FD:s%2F%2B%40@",
        "broker_transport_options": {
            "region": "eu-west-1", "session_token": "t", "wait_time_seconds": 0,
        },
        "result_backend": "aws+dynamodb://AK%2FD:s%2F%2B%40@eu-west-1/web",
        "result_backend_transport_options": {"session_token": "t", "ttl_seconds": -1},
    }  # fmt: skip


def test_a_namespace_is_put_in_front_in_capitals() -> None:
    assert namespaced({"broker_url": "x"}, "CELERY") == {"CELERY_BROKER_URL": "x"}
    assert namespaced({"broker_url": "x"}, None) == {"broker_url": "x"}
