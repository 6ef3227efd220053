"""pytest fixtures: a local AWS for the session, names of one's own for each test.

In a ``conftest.py``::

    pytest_plugins = ["celery_aws.testing.fixtures"]

Needs the extra ``local``. This module is the only one that imports pytest.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

import pytest

from celery_aws.local import LocalAws
from celery_aws.local.environment import client_environment
from celery_aws.testing.fault_proxy import FaultProxy


@dataclass(frozen=True, kw_only=True)
class AwsEnvironment:
    """A corner of the local AWS that no other test uses.

    Attributes:
        endpoint_url: of every service, for boto3.
        region: of the queues and tables.
        queue_name_prefix: of every queue of the test.
        results_table: name of the results table; it does not exist yet.
        variables: all of this as environment variables, for a subprocess.
    """

    endpoint_url: str
    region: str
    queue_name_prefix: str
    results_table: str
    variables: dict[str, str] = field(repr=False)

    @property
    def broker_url(self) -> str:
        """For ``broker_url``."""
        return self.variables["CELERY_BROKER_URL"]

    @property
    def result_backend(self) -> str:
        """For ``result_backend``."""
        return self.variables["CELERY_RESULT_BACKEND"]

    def celery_config(self) -> dict[str, Any]:
        """Return the settings of an app that lives here: ``app.conf.update(...)``.

        Polls are short, because a worker does not stop before its last one has ended.
        """
        return {
            "broker_url": self.broker_url,
            "broker_transport_options": {
                "region": self.region,
                "queue_name_prefix": self.queue_name_prefix,
                "wait_time_seconds": 1,
            },
            "result_backend": self.result_backend,
        }

    def through(self, proxy: FaultProxy) -> "AwsEnvironment":
        """Return the same corner, seen through a proxy that runs: give it to a worker."""
        urls = client_environment({}, port=proxy.port, region=self.region, table=self.results_table)
        return replace(self, endpoint_url=proxy.endpoint_url, variables={**self.variables, **urls})


@pytest.fixture(scope="session")
def local_aws() -> Iterator[LocalAws]:
    """Run a local AWS for the whole session, on a free port, in memory."""
    with LocalAws() as aws:
        yield aws


def new_environment(local_aws: LocalAws) -> AwsEnvironment:
    """Return a corner of a local AWS that nobody else uses; nothing is created, nothing set."""
    token = uuid4().hex[:8]
    prefix, table = f"test-{token}-", f"test-{token}-results"
    variables = {
        **local_aws.environment(table=table),
        "AWS_SQS_QUEUE_NAME_PREFIX": prefix,
        "AWS_DYNAMODB_TABLE_NAME": table,
    }
    return AwsEnvironment(
        endpoint_url=local_aws.endpoint_url,
        region=variables["AWS_REGION"],
        queue_name_prefix=prefix,
        results_table=table,
        variables=variables,
    )


@pytest.fixture
def aws_environment(local_aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> AwsEnvironment:
    """Give the test names of its own on the local AWS, and the environment that goes with it.

    The variables are set in this process while the test runs, so that boto3, Celery apps and
    subprocesses find the local AWS, and no test can reach a real account by mistake.
    """
    environment = new_environment(local_aws)
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.variables.items():
        monkeypatch.setenv(name, value)
    return environment


@pytest.fixture
def fault_proxy(local_aws: LocalAws) -> Iterator[FaultProxy]:
    """Run a proxy in front of the local AWS, without a fault so far, for one test."""
    with FaultProxy(local_aws.endpoint_url) as proxy:
        yield proxy


@pytest.fixture
def proxied_environment(aws_environment: AwsEnvironment, fault_proxy: FaultProxy) -> AwsEnvironment:
    """Give the test its corner of the local AWS as it is seen through ``fault_proxy``.

    For the worker under test; this process keeps the variables of ``aws_environment``, so that
    the test itself looks and publishes past the proxy.
    """
    return aws_environment.through(fault_proxy)
