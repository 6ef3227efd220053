"""The configuration that the project comes from runs, with ``aws+`` in front of its two URLs.

A web team's ``celeryconfig.py``: keys from the environment into the broker URL by kombu's
``safequote``, numbers as the text that the environment has, the queue prefix ``hoge-``, and a
results table in a region named by the URL.
"""

import sys
from pathlib import Path

import boto3
import pytest
from celery import Celery

from celery_aws.testing import WorkerProcess
from tests.integration.workers.conftest import PATIENCE_SECONDS, Project

pytestmark = pytest.mark.worker

CELERYCONFIG = """
import os
from kombu.utils.url import safequote

aws_access_key = safequote(os.environ["AWS_ACCESS_KEY"])
aws_secret_key = safequote(os.environ["AWS_SECRET_KEY"])
broker_url = f"aws+sqs://{aws_access_key}:{aws_secret_key}@"
broker_transport_options = {
    "region": os.environ.get("AWS_REGION"),
    "visibility_timeout": os.environ.get("AWS_SQS_VISIBILITY_TIMEOUT", 3600),
    "polling_interval": os.environ.get("AWS_SQS_POLLING_INTERVAL", 1),
    "wait_time_seconds": os.environ.get("AWS_SQS_WAIT_TIME_SECONDS", 15),
    "queue_name_prefix": os.environ.get("AWS_SQS_QUEUE_NAME_PREFIX", "hoge-"),
}
result_backend = f"aws+dynamodb://@{os.environ['AWS_REGION']}/{os.environ['RESULTS_TABLE']}"
"""

#: The same by the package's own settings.
THREE_LINES = """
import celery_aws

globals().update(celery_aws.load_settings().celery_config())
"""

PROJ = """
from celery import Celery

app = Celery("shop")
app.config_from_object("celeryconfig")


@app.task(name="shop.double")
def double(number):
    return 2 * number
"""


@pytest.mark.other_rights("its keys are those of nobody")
@pytest.mark.parametrize("celeryconfig", [CELERYCONFIG, THREE_LINES])
def test_the_web_teams_configuration_runs(
    project: Project,
    celeryconfig: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "celeryconfig.py").write_text(celeryconfig)
    (tmp_path / "shop.py").write_text(PROJ)
    monkeypatch.setenv("AWS_ACCESS_KEY", "AKIA/EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_KEY", "wJalr/XUtn+FEMI/K7MDENG=")
    monkeypatch.setenv("AWS_SQS_VISIBILITY_TIMEOUT", "3600")
    monkeypatch.setenv("AWS_SQS_POLLING_INTERVAL", "1")
    monkeypatch.setenv("AWS_SQS_WAIT_TIME_SECONDS", "15")
    monkeypatch.setenv("RESULTS_TABLE", project.aws.results_table)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "celeryconfig", raising=False)

    client = Celery("web", set_as_current=False)
    client.config_from_object("celeryconfig", force=True)
    with WorkerProcess("shop", directory=tmp_path, concurrency=2) as worker:
        results = [client.send_task("shop.double", (i,)) for i in range(20)]
        assert [r.get(timeout=PATIENCE_SECONDS) for r in results] == [2 * i for i in range(20)]
    client.close()

    attributes = boto3.client("sqs").get_queue_attributes(
        QueueUrl=project.queue_url("celery"), AttributeNames=["VisibilityTimeout"]
    )["Attributes"]
    assert attributes["VisibilityTimeout"] == "3600"
    assert "FEMI" not in worker.log
    monkeypatch.delitem(sys.modules, "celeryconfig", raising=False)


def test_the_default_queue_has_the_prefix(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = f"{project.aws.queue_name_prefix}hoge-"
    client = project.client(broker_transport_options={"queue_name_prefix": prefix})
    client.send_task("proj.add", (1, 1), ignore_result=True)
    url = boto3.client("sqs").get_queue_url(QueueName=f"{prefix}celery")["QueueUrl"]
    assert url.endswith("hoge-celery")
