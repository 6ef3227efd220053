"""Installed into an empty virtual environment, beside an app that never imports the package."""

import os
import subprocess
from pathlib import Path

import pytest

from celery_aws.testing import WorkerProcess
from celery_aws.testing.fixtures import AwsEnvironment

pytestmark = pytest.mark.worker

APP = """
from celery import Celery

app = Celery("shop", broker="aws+sqs://", backend="aws+dynamodb://@us-east-1/{table}")
app.conf.broker_transport_options = {{"queue_name_prefix": "{prefix}"}}


@app.task(name="shop.double")
def double(number):
    return 2 * number
"""

PRODUCER = """
import sys

import shop

assert "celery_aws.broker" not in sys.modules
print(shop.double.delay(21).get(timeout=30))
"""

SECRET = "wJalrXUtnFEMI"


@pytest.fixture
def python() -> str:
    """The interpreter of an environment with nothing but the package in it (see Makefile)."""
    path = os.environ.get("CELERY_AWS_CLEAN_PYTHON")
    if path is None:
        if os.environ.get("CI"):
            pytest.fail("CI needs CELERY_AWS_CLEAN_PYTHON")
        pytest.skip("CELERY_AWS_CLEAN_PYTHON names no environment; `make test` makes one")
    return path


def run(python: str, *arguments: str, directory: Path) -> str:
    """Run the environment's Python; return what it wrote."""
    ended = subprocess.run(
        [python, *arguments],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_worker_producer_and_report(
    python: str, aws_environment: AwsEnvironment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "shop.py").write_text(
        APP.format(table=aws_environment.results_table, prefix=aws_environment.queue_name_prefix)
    )
    with WorkerProcess("shop", python=python, directory=tmp_path) as worker:
        assert run(python, "-c", PRODUCER, directory=tmp_path) == "42\n"
    assert "transport:   aws+sqs://" in worker.log
    report = run(python, "-m", "celery", "-A", "shop", "report", directory=tmp_path)
    assert "transport:aws" in report


def test_a_report_of_a_bare_url(python: str, tmp_path: Path) -> None:
    url = f"aws+sqs://AKIA:{SECRET}@"
    report = run(python, "-m", "celery", "-b", url, "report", directory=tmp_path)
    assert "transport:aws" in report
    assert SECRET not in report
    assert "celery-aws:0.1.0" in report
