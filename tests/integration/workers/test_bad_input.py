"""What a user gets wrong stops the start of a real worker, with the remedy in its last words."""

from typing import Any

import pytest

from celery_aws.errors import ProcessFailedError
from celery_aws.local import LocalAws
from tests.integration.workers.conftest import Project

pytestmark = pytest.mark.worker

SECRET = "sehr-geheim"


def last_words(project: Project, **config: Any) -> str:
    """Start a worker that must not start; return what it wrote."""
    worker = project.worker(pool="solo", config=config)
    with pytest.raises(ProcessFailedError, match="the worker ended"):
        worker.start()
    return worker.log


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"broker_url": "aws+redis://"}, "it starts with 'aws+sqs://'"),
        ({"broker_url": f"aws+sqs://KEY:{SECRET}/x@"}, "Percent-encode"),
        ({"broker_url": f"aws+sqs://:{SECRET}@"}, "a secret is given without its access key"),
        (
            {"broker_transport_options": {"visibility_timout": 1}},
            "unknown option 'visibility_timout'. Did you mean 'visibility_timeout'?",
        ),
        (
            {"broker_transport_options": {"visibility_timeout": "abc"}},
            "['visibility_timeout'] = 'abc': must be a whole number from 1 to 43200 (seconds)",
        ),
        (
            {"broker_transport_options": {"visibility_timeout": 99999}},
            "['visibility_timeout'] = 99999: must be a whole number from 1 to 43200 (seconds)",
        ),
        (
            {"broker_transport_options": {"wait_time_seconds": 21}},
            "['wait_time_seconds'] = 21: must be a whole number from 0 to 20 (seconds)",
        ),
        (
            {"result_backend": "aws+dynamodb://@eu-west-1/tasks?ttl=1"},
            "unknown option 'ttl'. Did you mean 'ttl_seconds'?",
        ),
    ],
)  # fmt: skip
def test_a_wrong_setting_stops_the_start(
    project: Project, config: dict[str, Any], words: str
) -> None:
    log = last_words(project, **config)
    assert words in log
    assert SECRET not in log


def test_no_region_stops_the_start(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    log = last_words(project, broker_url="aws+sqs://", broker_transport_options={})
    assert "no AWS region. Set broker_transport_options['region']" in log


def test_a_missing_queue_that_may_not_be_created(project: Project) -> None:
    project.configure(broker_transport_options={"create_missing_queues": False})
    log = last_words(project)
    assert f"GetQueueUrl for {project.aws.queue_name_prefix}celery" in log
    assert "set broker_transport_options['create_missing_queues'] to True" in log


def test_wrong_credentials_stop_the_start(project: Project) -> None:
    with LocalAws(auth=True) as aws:
        host = aws.endpoint_url.removeprefix("http://")
        log = last_words(project, broker_url=f"aws+sqs://AKIANOBODYKNOWS:{SECRET}@{host}")
    assert "CredentialsError" in log
    assert "Check the access key and secret" in log
    assert SECRET not in log


def test_a_missing_table_that_may_not_be_created(project: Project) -> None:
    project.configure(result_backend=f"{project.config['result_backend']}&create_table=false")
    client = project.client()
    with project.worker(pool="solo") as worker:
        client.send_task("proj.add", (1, 1))
        worker.wait_for_log("TableNotFoundError")
        worker.kill()
    assert project.aws.results_table in worker.log
    assert "create_table=true in the query of result_backend" in worker.log


def test_an_endpoint_that_is_down_is_tried_again(project: Project) -> None:
    with LocalAws() as aws:
        port, host = aws.endpoint_url.rpartition(":")[2], aws.endpoint_url.removeprefix("http://")
    config = {"broker_url": f"aws+sqs://test:{SECRET}@{host}", "result_backend": None}
    client = project.client(**config)
    worker = project.worker(pool="solo", config=config)
    worker.launch()
    worker.wait_for_log(r"Cannot connect to aws\+sqs://test:\*\*@")
    worker.wait_for_log(r"Trying again in 4\.00 seconds\.\.\. \(2/100\)")
    records = [line for line in worker.log.splitlines() if "Cannot connect to" in line]
    assert len(records) == 2, "one record of log a try"
    assert "Traceback" not in worker.log
    with LocalAws(port=int(port)):
        worker.wait_until_ready()
        client.send_task("proj.add", (1, 1), ignore_result=True)
        worker.wait_for_log(r"proj\.add\[.*succeeded")
        worker.kill()
    assert SECRET not in worker.log
