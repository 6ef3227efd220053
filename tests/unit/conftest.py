"""What unit tests share: a process without AWS settings, and AWS's answers laid out."""

import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from celery_aws.aws import clients, meter
from celery_aws.aws.access import Access
from celery_aws.config.credentials import Credentials
from tests.unit.aws.canned import CannedAws, serving


@pytest.fixture
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """A process to which nobody has said anything about AWS, in an empty folder."""
    for name in os.environ:
        if name.startswith(("AWS_", "CELERY_")):
            monkeypatch.delenv(name)
    nowhere = str(tmp_path / "nowhere")
    monkeypatch.setenv("AWS_CONFIG_FILE", nowhere)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", nowhere)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.chdir(tmp_path)
    return monkeypatch


@pytest.fixture
def canned_aws(bare_environment: pytest.MonkeyPatch) -> Iterator[CannedAws]:
    """A loopback AWS; clients and counts are this test's own, and retries do not wait."""
    no_wait = SimpleNamespace(sleep=lambda _seconds: None)
    bare_environment.setattr("botocore.endpoint.time", no_wait)
    clients._clients.forget()
    meter._meter.forget()
    with serving() as aws:
        yield aws
        for client in clients._clients._values.values():
            client.close()
    clients._clients.forget()
    meter._meter.forget()


@pytest.fixture
def access(canned_aws: CannedAws) -> Access:
    """The way to the loopback AWS, with credentials of its own."""
    return Access(
        region="eu-west-1",
        endpoint_url=canned_aws.url,
        credentials=Credentials(access_key_id="AKIDEXAMPLE", secret_access_key="se/cr+et"),
    )
