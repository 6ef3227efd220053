from typing import Any

import pytest

from celery_aws.aws.access import Access, AssumedRole
from celery_aws.aws.s3 import S3ObjectService
from celery_aws.errors import ConfigurationError
from celery_aws.results.settings import ResultSettings, result_settings

ROLE = "arn:aws:iam::123456789012:role/results"


@pytest.fixture(autouse=True)
def no_region_around(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")


def test_what_the_url_says() -> None:
    found = result_settings("dynamodb://KEY:a%2Fb%2B@ap-northeast-1/tasks?ttl_seconds=60", {})
    assert found.access.region == "ap-northeast-1"
    assert found.access.endpoint_url is None
    assert found.access.credentials is not None
    assert found.access.credentials.secret_access_key == "a/b+"
    assert (found.table, found.ttl_seconds, found.creates_table) == ("tasks", 60, True)
    assert found.spec.on_demand


def test_capacity_and_creation() -> None:
    found = result_settings("dynamodb://@eu-west-1/tasks?read=2&write=3&create_table=false", {})
    assert (found.spec.read_capacity, found.spec.write_capacity) == (2, 3)
    assert not found.creates_table


def test_what_protects_a_table_that_is_created() -> None:
    bare = result_settings("dynamodb://@eu-west-1/tasks", {}).spec
    assert not bare.point_in_time_recovery
    assert not bare.deletion_protection
    assert (bare.kms_key, dict(bare.tags)) == (None, {})
    query = "point_in_time_recovery=true&kms_key=alias/celery&deletion_protection=1"
    options = {"table_tags": {"team": "web", "year": 2026}}
    conf = {"result_backend_transport_options": options}
    found = result_settings(f"dynamodb://@eu-west-1/tasks?{query}", conf).spec
    assert found.point_in_time_recovery
    assert found.deletion_protection
    assert (found.kms_key, found.tags) == ("alias/celery", {"team": "web", "year": "2026"})
    assert found.key == bare.key


ARN = "arn:aws:dynamodb:eu-west-1:123456789012:table/tasks"


@pytest.mark.parametrize("url", [f"dynamodb://@eu-west-1/{ARN}",
                                 f"dynamodb://@eu-west-1?table={ARN}"])  # fmt: skip
def test_a_table_of_another_account_is_named_by_its_arn(url: str) -> None:
    found = result_settings(url, {})
    assert found.table == ARN
    again = result_settings(found.url.as_uri().replace("aws+", ""), {})
    assert again.table == ARN


def test_a_local_endpoint_needs_no_region() -> None:
    found = result_settings("dynamodb://localhost:8000/tasks", {})
    assert found.access.endpoint_url == "http://localhost:8000"
    assert found.access.region == "us-east-1"


def test_the_url_is_stronger_than_the_transport_options() -> None:
    conf = {
        "result_backend_transport_options": {
            "region": "us-west-2",
            "table": "other",
            "ttl_seconds": "5",
            "create_table": "no",
            "global_keyprefix": "p_",
            "retry_policy": {"timeout": 5.0},
        }
    }
    found = result_settings("dynamodb://@eu-west-1/tasks?ttl_seconds=60", conf)
    assert (found.access.region, found.table) == ("eu-west-1", "tasks")
    assert (found.ttl_seconds, found.creates_table) == (60, False)


def test_celerys_own_endpoint_setting_is_honoured() -> None:
    conf = {"dynamodb_endpoint_url": "http://10.0.0.1:9"}
    assert result_settings("dynamodb://@eu-west-1/t-1", conf).access.endpoint_url == (
        "http://10.0.0.1:9"
    )
    query = "dynamodb://@eu-west-1/t-1?endpoint_url=http%3A%2F%2Flocalhost%3A4"
    assert result_settings(query, conf).access.endpoint_url == "http://localhost:4"


def test_a_role() -> None:
    found = result_settings(f"dynamodb://@eu-west-1/tasks?sts_role_arn={ROLE}", {})
    assert found.access.role == AssumedRole(role_arn=ROLE)


def test_without_a_url_the_apps_own_is_taken() -> None:
    conf = {"result_backend": "aws+dynamodb://@eu-west-1/tasks"}
    assert result_settings(None, conf).table == "tasks"
    conf = {"result_backend": "celery_aws.results:DynamoDBBackend"}
    options = {"result_backend_transport_options": {"region": "eu-west-1"}}
    assert result_settings(None, {**conf, **options}).table == "celery"


def test_a_session_token_goes_with_its_key_pair() -> None:
    conf = {"result_backend_transport_options": {"session_token": "tok"}}
    found = result_settings("dynamodb://KEY:SECRET@eu-west-1/tasks", conf)
    assert found.access.credentials is not None
    assert found.access.credentials.session_token == "tok"


@pytest.mark.parametrize(
    ("url", "transport_options", "message"),
    [
        ("redis://localhost", {}, "'redis' is not for this package.*aws\\+dynamodb://"),
        ("dynamodb://KEY@eu-west-1/tasks", {}, "an access key is given without its secret"),
        ("dynamodb://:SECRET@eu-west-1/tasks", {}, "a secret is given without its access key"),
        ("dynamodb://@eu-west-1/tasks?ttl=1", {}, "unknown option 'ttl'.*ttl_seconds"),
        ("dynamodb://@eu-west-1/tasks?ttl_second=1", {}, "Did you mean 'ttl_seconds'"),
        ("dynamodb://@eu-west-1/tasks?ttl_seconds=x", {}, "ttl_seconds.* = 'x': must be a whole"),
        ("dynamodb://@eu-west-1/t%20t", {}, "table.*DynamoDB table name"),
        ("dynamodb://@eu-west-1/arn:aws:s3:::table", {}, "table.*the ARN of a table"),
        (f"dynamodb://@eu-west-2/{ARN}", {}, "is in eu-west-1, and the region is 'eu-west-2'"),
        ("dynamodb://@eu-west-1/tasks?kms_key=a%20b", {}, "kms_key.*alias/"),
        ("dynamodb://@eu-west-1/tasks", {"table_tags": "team"}, "table_tags.*a mapping from text"),
        ("dynamodb://@/tasks", {}, "no AWS region.*host of the result_backend URL"),
        ("dynamodb://@eu-west-1/tasks?session_token=t", {}, "session_token.*celery report"),
        (
            "dynamodb://@eu-west-1/tasks",
            {"session_token": "hidden"},
            "session_token.*without a key pair",
        ),
        (
            "dynamodb://@eu-west-1/tasks",
            {"regoin": "x"},
            "result_backend_transport_options: unknown option 'regoin'.*'region'",
        ),
    ],
)
def test_bad_input_says_what_and_where(
    url: str, transport_options: dict[str, Any], message: str
) -> None:
    conf = {"result_backend_transport_options": transport_options}
    with pytest.raises(ConfigurationError, match=message) as failure:
        result_settings(url, conf)
    assert "SECRET" not in str(failure.value)
    assert "hidden" not in str(failure.value)


def test_without_a_bucket_there_are_no_objects() -> None:
    found = result_settings("dynamodb://@eu-west-1/tasks", {})
    assert found.objects.bucket is None
    assert found.objects.new_pointer() is None


def test_large_results_in_s3() -> None:
    query = "large_result_bucket=my-bucket&large_result_prefix=results/"
    found = result_settings(f"dynamodb://KEY:SECRET@eu-west-1/tasks?{query}", {})
    pointer = found.objects.new_pointer()
    assert pointer is not None
    assert str(pointer).startswith("s3://my-bucket/results/")
    assert pointer != found.objects.new_pointer()
    assert s3_access(found) == found.access


def s3_access(found: ResultSettings) -> Access:
    assert isinstance(found.objects.service, S3ObjectService)
    return found.objects.service.access


@pytest.mark.parametrize(
    ("url", "options", "endpoint_url"),
    [
        ("dynamodb://localhost:8000/tasks", {}, "http://localhost:8000"),
        (
            "dynamodb://localhost:8000/tasks",
            {"large_result_endpoint_url": "http://localhost:9000"},
            "http://localhost:9000",
        ),
        (
            "dynamodb://@eu-west-1/tasks",
            {"large_result_endpoint_url": "http://localhost:9000"},
            "http://localhost:9000",
        ),
    ],
)
def test_the_endpoint_of_s3(url: str, options: dict[str, Any], endpoint_url: str) -> None:
    found = result_settings(url, {"result_backend_transport_options": options})
    access = s3_access(found)
    assert access.endpoint_url == endpoint_url
    assert access.client_config["s3"] == {"addressing_style": "path"}
