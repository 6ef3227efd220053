"""A real worker's metrics, read as Prometheus reads them."""

import json
import re
import urllib.request
from http import HTTPStatus
from pathlib import Path

import pytest
from celery import Celery
from celery.exceptions import TaskRevokedError

from celery_aws import create_table
from tests.integration.metrics.scraping import Scraper, value
from tests.integration.workers.conftest import EVENTLET_ENDS_CLEAN, PATIENCE_SECONDS, Project
from tests.unit.metrics.emf_schema import check

pytestmark = [pytest.mark.worker, pytest.mark.oldest]

EVENTLET = pytest.param(
    "eventlet",
    marks=pytest.mark.skipif(not EVENTLET_ENDS_CLEAN, reason="this Celery ends it with an error"),
)

POOLS = ["prefork", "threads", "gevent", EVENTLET, "solo"]

SUCCEEDED, RECEIVED = "celery_task_succeeded_total", "celery_task_received_total"


def run_some_of_each(app: Celery) -> None:
    """Let tasks succeed, fail, be retried, rejected and revoked."""
    added = [app.send_task("proj.add", (i, i)) for i in range(5)]
    failed = app.send_task("proj.fail", ("no",))
    retried = app.send_task("proj.third_time")
    app.send_task("proj.reject", ("bad",))
    assert [each.get(timeout=PATIENCE_SECONDS) for each in added] == [0, 2, 4, 6, 8]
    with pytest.raises(LookupError):
        failed.get(timeout=PATIENCE_SECONDS)
    assert retried.get(timeout=PATIENCE_SECONDS) == 2
    assert app.control.revoke("doomed", reply=True, timeout=PATIENCE_SECONDS, limit=1)
    revoked = app.send_task("proj.add", (1, 1), task_id="doomed")
    with pytest.raises(TaskRevokedError):
        revoked.get(timeout=PATIENCE_SECONDS)


@pytest.mark.parametrize("pool", POOLS)
def test_a_scrape_tells_what_became_of_tasks(project: Project, free_port: int, pool: str) -> None:
    project.configure(broker_transport_options={"metrics_port": free_port})
    app = project.client()
    create_table(app)
    with project.worker(pool=pool) as worker:
        run_some_of_each(app)
        scraper = Scraper(f"http://127.0.0.1:{free_port}/metrics")
        found = scraper.wait_for(
            lambda scrape: (
                value(scrape, SUCCEEDED) >= 6 and value(scrape, "celery_task_rejected_total") >= 1
            )
        )
        assert worker.stop() == 0
    add = {"name": "proj.add", "queue_name": "celery"}
    assert value(found, SUCCEEDED, **add) == 5
    assert value(found, SUCCEEDED, name="proj.third_time") == 1
    assert value(found, "celery_task_failed_total", exception="LookupError") == 1
    assert value(found, "celery_task_retried_total", name="proj.third_time") == 2
    assert value(found, "celery_task_revoked_total", **add) == 1
    assert value(found, "celery_task_rejected_total", name="proj.reject") == 1
    # Five that succeed, one that fails, three tries, one that is rejected; not the revoked one.
    assert value(found, RECEIVED) == value(found, "celery_task_started_total") == 10
    assert value(found, "celery_task_runtime_count", **add) == 5
    assert value(found, "celery_task_runtime_bucket", le="+Inf", **add) == 5
    assert scraper.types["celery_task_runtime"] == "histogram"
    assert value(found, "celery_worker_up") == 1
    (hostname,) = {dict(labels)["hostname"] for name, labels in found if name == SUCCEEDED}
    assert hostname.startswith("one@")


def test_a_scrape_tells_of_messages_requests_and_results(project: Project, free_port: int) -> None:
    project.configure(broker_transport_options={"metrics_port": free_port})
    app = project.client()
    create_table(app)
    with project.worker(pool="prefork", concurrency=2):
        for each in [app.send_task("proj.add", (i, i)) for i in range(20)]:
            each.get(timeout=PATIENCE_SECONDS)
        found = Scraper(f"http://127.0.0.1:{free_port}/metrics").wait_for(
            lambda scrape: (
                value(scrape, "celery_aws_messages_deleted_total") == 20
                and value(scrape, "celery_aws_empty_polls_total") >= 1
            )
        )
    queue = f"{project.aws.queue_name_prefix}celery"
    assert value(found, "celery_aws_messages_received_total") == 20
    assert value(found, "celery_aws_results_stored_total") == 20
    stored = {"operation": "PutItem", "resource": project.aws.results_table}
    assert value(found, "celery_aws_requests_total", **stored) == 20
    assert value(found, "celery_aws_billing_units_total", **stored) == 20
    receives = value(found, "celery_aws_requests_total", operation="ReceiveMessage", resource=queue)
    polls = value(found, "celery_aws_polls_total")
    # A poll is under way, which is a request and not answered yet.
    assert receives - 1 <= polls <= receives
    assert value(found, "celery_aws_last_poll_timestamp_seconds", queue_name="celery") > 0
    assert value(found, "celery_active_process_count", queue_name="celery") == 2
    assert value(found, "celery_aws_acks_failed_total") == 0
    assert not re.search(r"://|arn:|\d{12}", " ".join(str(labels) for _, labels in found))


def test_two_workers_that_want_one_port(project: Project, free_port: int) -> None:
    environment = {"CELERY_AWS_METRICS_PORT": str(free_port)}
    app = project.client()
    with (
        project.worker(pool="solo", environment=environment, name="first") as first,
        project.worker(pool="solo", environment=environment, name="second") as second,
    ):
        second.wait_for_log("the worker's metrics are not shown: .*[Aa]ddress already in use")
        first.wait_for_log(f"metrics at http://127.0.0.1:{free_port}/metrics")
        assert app.send_task("proj.add", (1, 2)).get(timeout=PATIENCE_SECONDS) == 3


def test_a_worker_writes_documents_and_the_last_at_its_end(
    project: Project, tmp_path: Path
) -> None:
    path = tmp_path / "metrics.jsonl"
    app = project.client()
    with project.worker(environment={"CELERY_AWS_METRICS_EMF": str(path)}) as worker:
        for each in [app.send_task("proj.add", (i, i)) for i in range(3)]:
            each.get(timeout=PATIENCE_SECONDS)
        assert worker.stop() == 0
    documents = [json.loads(line) for line in path.read_text().splitlines()]
    for each in documents:
        check(each)
    told = [each for each in documents if each.get("queue_name") == "celery"]
    assert sum(each.get(SUCCEEDED, 0) for each in told) == 3


def test_one_port_answers_probes_and_scrapes(project: Project, free_port: int) -> None:
    port = {"health_port": free_port, "metrics_port": free_port}
    project.configure(broker_transport_options=port)
    with project.worker(pool="solo") as worker:
        url = f"http://127.0.0.1:{free_port}"
        assert value(Scraper(f"{url}/metrics").scrape(), "celery_worker_up") == 1
        with urllib.request.urlopen(f"{url}/live", timeout=PATIENCE_SECONDS) as answer:
            assert answer.status == HTTPStatus.OK
        assert worker.stop() == 0
    assert "not shown" not in worker.log


def test_without_being_asked_to_a_worker_shows_nothing(project: Project, free_port: int) -> None:
    with project.worker(pool="solo", environment={"CELERY_AWS_METRICS_ADDRESS": "0.0.0.0"}) as one:
        assert one.stop() == 0
    assert "metrics" not in one.log
