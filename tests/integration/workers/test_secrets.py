"""No secret of the configuration shows: logs, report, what ``inspect stats`` would send."""

import json
import subprocess
import sys

import pytest

from tests.integration.workers.conftest import HERE, PATIENCE_SECONDS, Project

pytestmark = pytest.mark.worker

SECRET = "wJalr/XUtn+FEMI"
QUOTED = "wJalr%2FXUtn%2BFEMI"


#: No AWS that checks signatures takes them.
NO_SUCH_KEYS = pytest.mark.other_rights("its keys are those of nobody")


@pytest.fixture
def secretive(project: Project) -> Project:
    """A project with a secret in every place that takes one."""
    host = project.aws.endpoint_url.removeprefix("http://")
    user = f"AKIAEXAMPLE:{QUOTED}@"
    project.configure(
        broker_url=f"aws+sqs://{user}{host};aws+sqs://{user}localhost:1",
        result_backend=f"aws+dynamodb://{user}{host}/{project.aws.results_table}",
        broker_transport_options={"session_token": SECRET},
        result_backend_transport_options={"session_token": SECRET},
    )
    return project


def assert_hidden(text: str) -> None:
    assert "AKIAEXAMPLE" in text, "the URLs are not shown at all"
    assert SECRET not in text
    assert QUOTED not in text


@NO_SUCH_KEYS
def test_the_workers_log_hides_them(secretive: Project) -> None:
    client = secretive.client()
    with secretive.worker(pool="prefork", log_level="DEBUG") as worker:
        assert client.send_task("proj.add", (1, 1)).get(timeout=PATIENCE_SECONDS) == 2
    assert_hidden(worker.log)


def test_the_report_hides_them(secretive: Project) -> None:
    report = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "proj", "report"],
        cwd=HERE,
        env={**secretive.environment(), "AWS_REGION": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    assert_hidden(report.stdout + report.stderr)


@NO_SUCH_KEYS
def test_what_inspect_stats_sends_hides_them(secretive: Project) -> None:
    connection = secretive.client().connection_for_read()
    with connection:
        connection.ensure_connection(max_retries=1)
        stats = json.dumps(connection.info())
        assert_hidden(stats + connection.as_uri() + repr(connection))
        clone = connection.clone()
        assert clone.as_uri(include_password=True).count(QUOTED) == 1
        clone.release()
