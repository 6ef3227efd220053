"""What is seen of a loop of greenlets that waits, where gevent or eventlet has patched Python."""

import socket
import subprocess
import sys

import pytest

from tests.unit.health.test_http_patched import PATCHES

PATIENCE_SECONDS = 10

ASKING = """
{patch}
import contextlib, threading, time
from celery_aws.aws.access import Access
from celery_aws.aws.sqs import SqsQueueService
from celery_aws.config.credentials import Credentials
from celery_aws.errors import AwsError
from celery_aws.health import observation
from celery_aws.native_threads import start_native_thread, unpatched
from tests.unit.health.views import StillView

observation.PULSE_SECONDS = 0.01
observer = observation.Observer(StillView(green=True))
time.sleep(0.1)
print(observer.observe(1.0).loop_waits_for_aws, flush=True)

def watch():
    pause = unpatched("time", "sleep")
    until = time.monotonic() + {patience}
    while not observer.observe(1.0).loop_waits_for_aws and time.monotonic() < until:
        pause(0.01)
    print(observer.observe(1.0).loop_waits_for_aws, flush=True)

access = Access(
    region="eu-west-1",
    endpoint_url="http://127.0.0.1:{port}",
    credentials=Credentials(access_key_id="a", secret_access_key="b"),
    client_config={{"retries": {{"total_max_attempts": 1}}}},
)
start_native_thread("watch", watch)
with contextlib.suppress(AwsError):
    SqsQueueService(access).queue_url("celery")
"""


@pytest.mark.parametrize("patch", PATCHES)
def test_a_loop_of_greenlets_that_asks_aws_is_seen(patch: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        code = ASKING.format(
            patch=PATCHES[patch], port=silent.getsockname()[1], patience=PATIENCE_SECONDS
        )
        with subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
        ) as asking:
            assert asking.stdout is not None
            assert asking.stdout.readline() == "False\n"
            assert asking.stdout.readline() == "True\n"
            asking.kill()
