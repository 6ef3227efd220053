"""Side by side with the stock transport and backend, on one queue and one table.

What a rolling deploy needs: workers and producers of both kinds at once, none of which can tell
who wrote a message or a result.
"""

import hashlib
from typing import Any

import pytest
from celery import Celery

from tests.integration.workers.conftest import PATIENCE_SECONDS, Project

pytest.importorskip("pycurl", reason="the stock SQS transport needs pycurl")
pytestmark = [pytest.mark.worker, pytest.mark.oldest]

TEXT = 'J\u00f6rg \u65e5\u672c\u8a9e "quoted" \\ \x00 \n \U0001f680'


def stock_settings(project: Project) -> dict[str, Any]:
    """Return what makes an app of the project use the stock transport and backend."""
    host = project.aws.endpoint_url.removeprefix("http://").replace("127.0.0.1", "localhost")
    return {
        "broker_url": f"sqs://test:test@{host}",
        "broker_transport_options": {
            "region": project.aws.region,
            "queue_name_prefix": project.aws.queue_name_prefix,
            "wait_time_seconds": 5,
            "polling_interval": 0.1,
        },
        "result_backend": f"dynamodb://test:test@{host}/{project.aws.results_table}",
    }


def send_all_kinds(client: Celery) -> list[tuple[Any, Any]]:
    """Send one task of every shape that the envelope has; return results and expectations."""
    add = client.signature("proj.add")
    return [
        (add.clone((1, 2)).apply_async(), 3),
        (add.clone((TEXT, TEXT)).apply_async(), TEXT + TEXT),
        (add.clone(("x" * 40_000, "y")).apply_async(compression="gzip"), "x" * 40_000 + "y"),
        (add.clone(([1], [{"k": None}])).apply_async(serializer="yaml"), [1, {"k": None}]),
        (client.send_task("proj.third_time"), 2),
    ]


@pytest.mark.parametrize(
    ("producer", "consumer"), [("stock", "ours"), ("ours", "stock"), ("ours", "ours")]
)
def test_one_produces_and_the_other_works(project: Project, producer: str, consumer: str) -> None:
    stock = stock_settings(project)
    accept = {"accept_content": ["json", "yaml"]}
    client = project.client(**(stock if producer == "stock" else {}), **accept)
    settings = {**(stock if consumer == "stock" else {}), **accept}
    with project.worker(pool="threads", config=settings):
        for result, expected in send_all_kinds(client):
            assert result.get(timeout=PATIENCE_SECONDS) == expected
        failing = client.send_task("proj.fail", ("both can read it",))
        with pytest.raises(LookupError, match="both can read it"):
            failing.get(timeout=PATIENCE_SECONDS)


@pytest.mark.parametrize("method", ["gzip", "lzma"])
def test_stock_reads_what_our_transport_compresses(project: Project, method: str) -> None:
    stock = stock_settings(project)
    project.configure(
        broker_transport_options={"compression": method, "compression_threshold_bytes": 1_000}
    )
    client = project.client()
    with project.worker(pool="threads", config=stock):
        text = TEXT * 20_000
        result = client.send_task("proj.digest", (text,))
        assert result.get(timeout=PATIENCE_SECONDS) == hashlib.sha256(text.encode()).hexdigest()


def test_both_work_on_one_queue(project: Project) -> None:
    stock = stock_settings(project)
    ours, theirs = project.client(), project.client(**stock)
    with (
        project.worker(pool="threads", name="ours") as one,
        project.worker(pool="threads", name="stock", config=stock) as two,
    ):
        results = [
            client.send_task("proj.work", (0.05,), queue="celery")
            for client in (ours, theirs)
            for _ in range(40)
        ]
        seen = {client.AsyncResult(r.id).get(timeout=PATIENCE_SECONDS)
                for r in results for client in (ours, theirs)}  # fmt: skip
        assert seen == {one.pid, two.pid}
    assert project.messages() == (0, 0)
