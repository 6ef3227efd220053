"""10 MB on the local AWS, in the table and in S3, and what Celery's own backend sees of it."""

import random
import uuid
from typing import Any

import boto3
import pytest
from celery.backends.dynamodb import DynamoDBBackend as StockBackend
from celery.result import AsyncResult, GroupResult

from celery_aws.errors import BucketNotFoundError
from celery_aws.local import LocalAws
from celery_aws.results import DynamoDBBackend
from tests.contract.results.conftest import Spent, an_app

#: Zlib makes half of it of this.
TEXT = random.Random(1).randbytes(10_000_000).hex()


@pytest.fixture
def bucket(local_aws: LocalAws) -> Any:
    made = boto3.resource(
        "s3",
        endpoint_url=local_aws.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    ).Bucket(f"results-{uuid.uuid4().hex[:12]}")
    made.create()
    return made


@pytest.fixture
def through_s3(
    ours: DynamoDBBackend, url: str, bucket: Any, local_aws: LocalAws
) -> DynamoDBBackend:
    app = an_app(url)
    app.conf.result_backend_transport_options = {
        "large_result_bucket": bucket.name,
        "large_result_prefix": "results/",
        "large_result_endpoint_url": local_aws.endpoint_url,
    }
    app.made_backend = DynamoDBBackend(app=app, url=url)
    return app.made_backend


def test_ten_megabytes_in_the_table(ours: DynamoDBBackend, spent: Spent) -> None:
    spent()
    ours.mark_as_done("1", TEXT)
    assert spent() == {"dynamodb.BatchWriteItem": 2, "dynamodb.PutItem": 1}
    assert AsyncResult("1", app=ours.app).get() == TEXT
    assert spent() == {"dynamodb.GetItem": 1, "dynamodb.BatchGetItem": 1}
    ours.forget("1")
    assert spent() == {"dynamodb.DeleteItem": 1, "dynamodb.BatchWriteItem": 2}
    assert ours.get_state("1") == "PENDING"


def test_ten_megabytes_in_s3(through_s3: DynamoDBBackend, bucket: Any, spent: Spent) -> None:
    spent()
    through_s3.mark_as_done("1", TEXT)
    assert spent() == {"s3.PutObject": 1, "dynamodb.PutItem": 1}
    (kept,) = bucket.objects.all()
    assert kept.key.startswith("results/")
    assert AsyncResult("1", app=through_s3.app).get() == TEXT
    spent()
    through_s3.forget("1")
    assert spent() == {"dynamodb.DeleteItem": 1, "s3.DeleteObjects": 1}
    assert list(bucket.objects.all()) == []


def test_a_redelivered_task_changes_nothing_and_leaves_nothing(
    ours: DynamoDBBackend, spent: Spent
) -> None:
    ours.mark_as_done("1", TEXT)
    spent()
    ours.mark_as_done("1", TEXT[::-1])
    lost = spent()
    assert lost.pop("dynamodb.PutItem") == 1
    assert lost == {"dynamodb.BatchWriteItem": 4}
    assert AsyncResult("1", app=ours.app).get() == TEXT


def test_a_group_of_large_results(ours: DynamoDBBackend, spent: Spent) -> None:
    texts = [TEXT[: 500_000 * number] for number in range(1, 7)]
    for number, text in enumerate(texts):
        ours.mark_as_done(str(number), text)
    results = [AsyncResult(str(number), app=ours.app) for number in range(6)]
    spent()
    assert GroupResult("g", results, app=ours.app).get() == texts
    assert spent() == {"dynamodb.BatchGetItem": 2}


@pytest.mark.parametrize("text", [TEXT, "row;" * 1_000_000], ids=["pieces", "compressed"])
def test_celerys_own_backend_sees_no_result(
    ours: DynamoDBBackend, stock: StockBackend, text: str
) -> None:
    ours.mark_as_done("1", text)
    assert stock.get_state("1") == "PENDING"
    stock.mark_as_done("1", "stock's")
    assert AsyncResult("1", app=ours.app).get() == "stock's"


def test_a_bucket_that_is_missing_is_named(through_s3: DynamoDBBackend, bucket: Any) -> None:
    bucket.delete()
    with pytest.raises(Exception, match="large_result_bucket") as caught:
        through_s3.mark_as_done("1", TEXT)
    assert isinstance(caught.value.__cause__, BucketNotFoundError)
    assert through_s3.get_state("1") == "PENDING"
