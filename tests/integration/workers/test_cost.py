"""What a running worker costs, as it tells itself while tasks come."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from celery.bin.base import CLIContext
from click.testing import CliRunner

from celery_aws import create_table
from celery_aws.cli import aws
from tests.integration.workers.conftest import PATIENCE_SECONDS, Project

pytestmark = pytest.mark.worker


def test_a_workload_is_measured_at_its_workers(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    app = project.client()
    create_table(app)
    sent: list[Any] = []
    with project.worker(pool="prefork"):
        with sending(app, sent):
            found = compared(app, "--measured", "--sample", "3", "--timeout", "5")
        assert sent[-1].get(timeout=PATIENCE_SECONDS) == 2
    observed = found["observed"]
    seconds = observed["seconds"]
    tasks = observed["workload"]["tasks"] * seconds / (730 * 3_600)
    assert 0 < tasks <= len(sent)
    assert observed["workload"]["workers"] == 1
    assert observed["workload"]["results_share"] == pytest.approx(1.0, abs=0.3)
    keys = {line["price"] for line in observed["month"]["lines"]}
    assert {"sqs.standard", "dynamodb.write"} <= keys
    assert found["workload"]["tasks"] == observed["workload"]["tasks"]


@pytest.mark.parametrize("pool", ["prefork", "gevent"])
def test_what_a_worker_asked_is_written_down_when_it_ends(
    project: Project, pool: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    project.app = "short_lived"
    app = project.client()
    create_table(app)
    with project.worker(pool=pool) as worker:
        assert app.send_task("proj.add", (1, 1)).get(timeout=PATIENCE_SECONDS) == 2
        assert worker.stop() == 0
    context = CLIContext(app=project.monitor(), no_color=True, workdir=None)
    ended = CliRunner().invoke(aws, ["cost", "actual", "--json"], obj=context)
    assert ended.exit_code == 0, ended.output
    facts = json.loads(ended.stdout)
    assert facts["processes"] == 1
    (asked,) = re.findall(r"AWS requests: (\d+) in all", worker.log)
    # But for what it asked after that: its record itself, and what closes behind it.
    assert 0.5 * int(asked) < facts["usage"]["requests"] < int(asked)
    assert project.aws.results_table in facts["dollars_by_resource"]


@contextmanager
def sending(app: Celery, sent: list[Any]) -> Iterator[None]:
    """Send tasks, again and again, while the block runs."""
    done = threading.Event()

    def send() -> None:
        while not done.wait(0.02):
            sent.append(app.send_task("proj.add", (1, 1)))

    sender = threading.Thread(target=send)
    sender.start()
    try:
        yield
    finally:
        done.set()
        sender.join(PATIENCE_SECONDS)


def compared(app: Celery, *arguments: str) -> Any:
    context = CLIContext(app=app, no_color=True, workdir=None)
    ended = CliRunner().invoke(
        aws, ["cost", "compare", "--region", "us-east-1", "--json", *arguments], obj=context
    )
    assert ended.exit_code == 0, ended.output
    return json.loads(ended.stdout)
