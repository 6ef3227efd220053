"""The endpoint in a process whose sockets gevent or eventlet have replaced."""

import socket
import subprocess
import sys

import pytest

SERVER = """
{patch}
import sys, threading
from celery_aws.health.http import Answer, HttpEndpoint
endpoint = HttpEndpoint("127.0.0.1", 0, {{"/page": lambda: Answer(body=b"here")}})
endpoint.start()
print(endpoint.port, flush=True)
sys.stdin.read()
"""

PATCHES = {
    "gevent": "from gevent import monkey; monkey.patch_all()",
    "eventlet": "import warnings; warnings.simplefilter('ignore'); "
    "import eventlet; eventlet.monkey_patch()",
}

PATIENCE_SECONDS = 10

REQUEST = b"GET /page HTTP/1.1\r\n\r\n"


@pytest.mark.parametrize("patch", PATCHES)
def test_a_client_that_takes_its_time_is_answered(patch: str) -> None:
    code = SERVER.format(patch=PATCHES[patch])
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        assert server.stdin is not None
        address = ("127.0.0.1", int(server.stdout.readline()))
        with socket.create_connection(address, PATIENCE_SECONDS) as slow:
            with socket.create_connection(address, PATIENCE_SECONDS) as quick:
                quick.sendall(REQUEST)
                assert answer(quick).endswith(b"here")
            # By now its thread waits for it.
            slow.sendall(REQUEST)
            assert answer(slow).endswith(b"here")
        server.communicate("", PATIENCE_SECONDS)


def answer(client: socket.socket) -> bytes:
    parts = []
    while part := client.recv(4_096):
        parts.append(part)
    return b"".join(parts)
