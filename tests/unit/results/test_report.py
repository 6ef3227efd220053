"""What shows the result URL never shows its secret: Celery's own sanitizers included."""

import pytest
from celery import Celery
from celery.app.utils import bugreport, filter_hidden_settings

from celery_aws.results import DynamoDBBackend
from celery_aws.testing.memory_dynamodb import MemoryTableService

HOSTS = ["eu-west-1", "localhost:8000", ""]


@pytest.fixture(autouse=True)
def a_region_around(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-west-1")


def url(host: str) -> str:
    return f"dynamodb://AKIAKEY:s3cr3t%2Fwith%2Bsigns%40@{host}/results?ttl_seconds=60"


@pytest.mark.parametrize("host", HOSTS)
def test_as_uri_masks_the_secret(app: Celery, host: str) -> None:
    backend = DynamoDBBackend(app=app, url=url(host), service=MemoryTableService())
    shown = host or "eu-west-1"
    assert backend.as_uri() == f"aws+dynamodb://AKIAKEY:**@{shown}/results?ttl_seconds=60"
    assert backend.as_uri(include_password=True) == f"aws+{url(shown)}"


def test_as_uri_shows_what_other_settings_say(app: Celery) -> None:
    app.conf.result_backend = "celery_aws.results:DynamoDBBackend"
    app.conf.result_backend_transport_options = {"region": "eu-north-1", "table": "jobs"}
    backend = DynamoDBBackend(app=app, service=MemoryTableService())
    assert backend.as_uri() == "aws+dynamodb://@eu-north-1/jobs"


@pytest.mark.parametrize("host", HOSTS)
def test_celery_report_shows_no_secret(app: Celery, host: str) -> None:
    app.conf.result_backend = f"aws+{url(host)}"
    app.conf.result_backend_transport_options = {"session_token": "s3cr3t-token"}
    report = bugreport(app)
    assert "aws+dynamodb://AKIAKEY:" in report
    assert "s3cr3t" not in report


def test_inspect_conf_shows_no_secret(app: Celery) -> None:
    app.conf.result_backend = f"aws+{url('eu-west-1')}"
    assert "s3cr3t" not in str(filter_hidden_settings(app.conf.table()))


def test_a_backend_shows_no_secret_when_printed(app: Celery) -> None:
    backend = DynamoDBBackend(app=app, url=url("eu-west-1"), service=MemoryTableService())
    assert "s3cr3t" not in repr(backend) + repr(backend.store)
