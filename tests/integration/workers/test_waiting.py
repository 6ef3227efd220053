"""What results of a real worker cost who waits for them, counted by the meter of this process."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from celery import Celery, chord, group

from celery_aws import request_counts
from celery_aws.results import aget
from tests.integration.workers.conftest import PATIENCE_SECONDS, Project

pytestmark = pytest.mark.worker

#: A wait of half a second is the longest in the first 20 s.
LOOKS_A_SECOND = 2


@pytest.fixture
def client(project: Project) -> Iterator[Celery]:
    """An app whose tasks are run by a worker that has run one."""
    client = project.client()
    with project.worker(pool="prefork"):
        assert client.send_task("proj.add", (1, 1)).get(timeout=PATIENCE_SECONDS) == 2
        yield client


class Reads:
    """DynamoDB reads of this process, and the seconds that they took."""

    def __init__(self) -> None:
        self.count = 0
        self.seconds = 0.0

    def may_be(self, in_three_seconds: int) -> bool:
        """Tell whether there are no more than so many, a slow machine's further looks apart."""
        return self.count <= in_three_seconds + LOOKS_A_SECOND * max(0.0, self.seconds - 3)


@contextmanager
def reads() -> Iterator[Reads]:
    before, began = Counter(request_counts()), time.monotonic()
    counted = Reads()
    yield counted
    spent = Counter(request_counts()) - before
    counted.count = spent["dynamodb.GetItem"] + spent["dynamodb.BatchGetItem"]
    counted.seconds = time.monotonic() - began


def adds(client: Celery, count: int) -> Any:
    return group([client.signature("proj.add", (i, i)) for i in range(count)], app=client)


def test_a_group_of_a_hundred(client: Celery) -> None:
    result = adds(client, 100).apply_async()
    with reads() as counted:
        assert result.get(timeout=PATIENCE_SECONDS) == [2 * i for i in range(100)]
    assert counted.may_be(10), vars(counted)


def test_an_awaited_group_of_a_hundred(client: Celery) -> None:
    result = adds(client, 100).apply_async()
    with reads() as counted:
        values = asyncio.run(aget(result, timeout=PATIENCE_SECONDS))
    assert values == [2 * i for i in range(100)]
    assert counted.may_be(10), vars(counted)


def test_a_chord_of_fifty(client: Celery) -> None:
    result = chord(adds(client, 50), app=client)(client.signature("proj.length"))
    with reads() as counted:
        assert result.get(timeout=PATIENCE_SECONDS) == 50
    assert counted.may_be(15), vars(counted)


def test_the_error_of_a_header(client: Celery) -> None:
    header = group(adds(client, 5), client.signature("proj.fail", ("header",)), app=client)
    body = client.signature("proj.length")
    with pytest.raises(LookupError, match="header"):
        chord(header, app=client)(body).get(timeout=PATIENCE_SECONDS)
    with pytest.raises(LookupError, match="header"):
        asyncio.run(aget(chord(header, app=client)(body), timeout=PATIENCE_SECONDS))
