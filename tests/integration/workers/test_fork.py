"""Nothing opened before a fork is used after it: the stock stack loses results here.

It shares one DynamoDB socket between the worker's parent and all its children when the keys are
in the URL, so that replies get mixed up.
"""

import subprocess
import sys

import pytest

from celery_aws.config.credentials import Credentials
from tests.integration.workers.conftest import HERE, PATIENCE_SECONDS, Project

#: A web server that loads the app, uses it, and then forks its workers (gunicorn's preload).
PRELOADED = """
import os

import celery_aws
from proj import add, app

def sockets():
    links = (os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")
             if os.path.exists(f"/proc/self/fd/{fd}"))
    return {link for link in links if link.startswith("socket:")}

first = add.delay(1, 1)
assert first.get(timeout=30) == 2
of_parent = sockets()
pid = os.fork()
if pid == 0:
    assert celery_aws.request_counts() == {}
    result = add.delay(20, 1)
    assert result.get(timeout=30) == 21
    assert sockets() - of_parent, "the child has no connection of its own"
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
assert add.delay(2, 2).get(timeout=30) == 4
assert sockets() == of_parent, "the parent had to connect again"
print("both published")
"""

pytestmark = pytest.mark.worker

NO_SUCH_KEYS = pytest.mark.other_rights("its keys are those of nobody")
KEYS = Credentials(access_key_id="AKIA/EXAMPLE+1", secret_access_key="se/cr+et=")


@pytest.mark.parametrize(
    "keys_in_url", [False, pytest.param(True, marks=[pytest.mark.oldest, NO_SUCH_KEYS])]
)
def test_no_result_is_lost_between_parent_and_children(project: Project, keys_in_url: bool) -> None:
    if keys_in_url:
        user = "AKIA%2FEXAMPLE%2B1:se%2Fcr%2Bet%3D@"
        host = project.aws.endpoint_url.removeprefix("http://")
        project.configure(
            broker_url=f"aws+sqs://{user}{host}",
            result_backend=f"aws+dynamodb://{user}{host}/{project.aws.results_table}",
        )
    client = project.client()
    with project.worker(pool="prefork", concurrency=4):
        results = [client.send_task("proj.add", (i, i)) for i in range(200)]
        in_child = client.send_task("proj.read_results", ([r.id for r in results[:100]],))
        assert [r.get(timeout=PATIENCE_SECONDS) for r in results] == [2 * i for i in range(200)]
        assert in_child.get(timeout=PATIENCE_SECONDS) == [2 * i for i in range(100)]
        assert {r.state for r in results} == {"SUCCESS"}
    assert project.messages() == (0, 0)


@pytest.mark.oldest
def test_children_publish_on_clients_of_their_own(project: Project) -> None:
    client = project.client()
    with project.worker(pool="prefork", concurrency=3, arguments=["--max-tasks-per-child", "2"]):
        # More tasks than the first children may run: later ones are forked while the
        # receiver threads of the parent are at work.
        parents = [client.send_task("proj.fan_out", (2,)) for _ in range(4)]
        ids = [each for parent in parents for each in parent.get(timeout=PATIENCE_SECONDS)]
        results = [client.AsyncResult(each).get(timeout=PATIENCE_SECONDS) for each in ids]
    assert results == [0, 2] * 4


@pytest.mark.oldest
def test_a_preloaded_web_server_may_fork(project: Project) -> None:
    with project.worker(pool="solo"):
        ended = subprocess.run(
            [sys.executable, "-c", PRELOADED],
            cwd=HERE,
            env=project.environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert ended.stdout == "both published\n", ended.stderr
