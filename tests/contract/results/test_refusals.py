"""What a task and whoever waits for it are told when AWS refuses: one clear error each."""

import json
import re
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from celery.exceptions import BackendStoreError
from celery.result import AsyncResult

from celery_aws.aws.dynamodb import DynamoTableService
from celery_aws.aws.table_schema import KeyAttribute, TableSpec
from celery_aws.errors import AccessDeniedError, TableKeyError
from celery_aws.local import LocalAws
from celery_aws.names import TableName
from celery_aws.results import DynamoDBBackend, create_table
from celery_aws.results.settings import result_settings
from tests.contract.results.conftest import an_app


@pytest.fixture
def wrong(url: str, table: TableName) -> DynamoDBBackend:
    """A backend on a table with another primary key."""
    service = DynamoTableService(result_settings(url, {}).access)
    service.create_table(table, TableSpec(hash_key=KeyAttribute(name="pk")))
    app = an_app(url)
    app.made_backend = DynamoDBBackend(app=app, url=url)
    return app.made_backend


def test_a_table_with_another_key_is_named_at_its_first_use(
    wrong: DynamoDBBackend, table: TableName
) -> None:
    words = rf"{table}.*A results table has the primary key id \(S\).*Name another table"
    with pytest.raises(BackendStoreError, match=f"PutItem for {words}"):
        wrong.mark_as_done("1", 1)
    result = AsyncResult("1", app=wrong.app)
    for ask in (lambda: result.state, lambda: result.get(timeout=5), result.forget):
        with pytest.raises(TableKeyError, match=words):
            ask()


#: What a backend does, and the action that it needs for it on the results table.
NEEDED: dict[str, Callable[[DynamoDBBackend], object]] = {
    "dynamodb:GetItem": lambda backend: backend.get_state("1"),
    "dynamodb:BatchGetItem": lambda backend: backend.mget([b"a", b"b"]),
    "dynamodb:PutItem": lambda backend: backend.set(b"a", b"A"),
    "dynamodb:UpdateItem": lambda backend: backend.incr(b"n"),
    "dynamodb:DeleteItem": lambda backend: backend.forget("1"),
}


@pytest.fixture(scope="module")
def strict_aws() -> Iterator[LocalAws]:
    """A local AWS that checks rights."""
    with LocalAws(auth=True) as aws:
        yield aws


@pytest.fixture
def shared(strict_aws: LocalAws, table: TableName) -> TableName:
    create_table(an_app(backend_url(strict_aws, table, "test:test")))
    return table


def backend_url(aws: LocalAws, table: TableName, user: str) -> str:
    return f"dynamodb://{user}@127.0.0.1:{aws.port}/{table}?create_table=false"


def backend_of_user(aws: LocalAws, table: TableName, *actions: str) -> DynamoDBBackend:
    """Return a backend of somebody who may do so much."""
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    iam: Any = boto3.client("iam", endpoint_url=aws.endpoint_url, region_name="us-east-1", **keys)
    user = f"user-{uuid.uuid4().hex[:8]}"
    iam.create_user(UserName=user)
    allowed = {"Effect": "Allow", "Action": list(actions), "Resource": f"arn:aws:*:table/{table}"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    iam.put_user_policy(UserName=user, PolicyName="results", PolicyDocument=document)
    key = iam.create_access_key(UserName=user)["AccessKey"]
    secret = key["SecretAccessKey"].replace("/", "%2F").replace("+", "%2B")
    url = backend_url(aws, table, f"{key['AccessKeyId']}:{secret}")
    return DynamoDBBackend(app=an_app(url), url=url)


def test_what_a_backend_needs_is_enough(strict_aws: LocalAws, shared: TableName) -> None:
    backend = backend_of_user(strict_aws, shared, *NEEDED)
    for ask in NEEDED.values():
        ask(backend)


@pytest.mark.parametrize("action", NEEDED)
def test_a_missing_permission_is_named(
    strict_aws: LocalAws, shared: TableName, action: str
) -> None:
    backend = backend_of_user(strict_aws, shared, *(NEEDED.keys() - {action}))
    with pytest.raises(AccessDeniedError) as refused:
        NEEDED[action](backend)
    said = str(refused.value)
    assert re.search(rf"Grant {action} on \S*{shared} to the role or user in use$", said), said


def test_a_worker_is_told_what_it_may_not(strict_aws: LocalAws, shared: TableName) -> None:
    backend = backend_of_user(strict_aws, shared, "dynamodb:GetItem")
    with pytest.raises(BackendStoreError, match=rf"Grant dynamodb:PutItem on \S*{shared} to"):
        backend.mark_as_done("1", 1)
