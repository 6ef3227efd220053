"""Threads and processes that make one table at once, and what they make."""

import multiprocessing
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor

import pytest

from celery_aws.aws.clients import client_for
from celery_aws.names import TableName
from celery_aws.results import DynamoDBBackend, create_table
from celery_aws.results.settings import result_settings
from celery_aws.table.creation import TableReport
from tests.contract.results.conftest import an_app


def create(url: str) -> TableReport:
    return create_table(an_app(url))


def store_first(url: str, number: int) -> str:
    backend = DynamoDBBackend(app=an_app(url), url=url)
    backend.mark_as_done(f"task-{number}", number)
    return str(backend.get_state(f"task-{number}"))


PROTECTED = {
    "point_in_time_recovery": True,
    "kms_key": "alias/celery",
    "table_tags": {"team": "web"},
    "deletion_protection": True,
}


@pytest.mark.not_in_dynamodb_local("there are neither tags nor keys nor recovery")
@pytest.mark.parametrize("by_the_first_result", [True, False])
def test_a_table_is_made_as_the_configuration_says(
    url: str, table: TableName, by_the_first_result: bool
) -> None:
    app = an_app(url)
    app.conf.result_backend_transport_options = PROTECTED
    backend = DynamoDBBackend(app=app, url=url)
    if by_the_first_result:
        backend.mark_as_done("1", 1)
    else:
        assert create_table(app).recovery_enabled
    access = result_settings(url, app.conf).access
    client = client_for("dynamodb", access)
    found = client.describe_table(TableName=table)["Table"]
    assert found["SSEDescription"]["KMSMasterKeyArn"].endswith("alias/celery")
    assert found["DeletionProtectionEnabled"]
    tags = client.list_tags_of_resource(ResourceArn=found["TableArn"])["Tags"]
    assert tags == [{"Key": "team", "Value": "web"}]
    backups = client.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
    recovery = backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"]
    assert recovery == "ENABLED"


def executor(kind: str) -> Executor:
    if kind == "threads":
        return ThreadPoolExecutor(8)
    return ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn"))


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_one_of_many_makes_the_table(url: str, kind: str) -> None:
    with executor(kind) as pool:
        reports = list(pool.map(create, [url] * 8))
    assert sum(report.created for report in reports) == 1
    assert all(report.on_demand for report in reports)
    again = create(url)
    assert (again.created, again.ttl_enabled) == (False, False)


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_many_first_results_at_once_are_all_stored(url: str, kind: str) -> None:
    with executor(kind) as pool:
        states = list(pool.map(store_first, [url] * 8, range(8)))
    assert states == ["SUCCESS"] * 8
    assert not create(url).ttl_enabled
