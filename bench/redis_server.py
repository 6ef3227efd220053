"""A Redis of a benchmark's own, on loopback, that keeps nothing."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory

from celery_aws.local.environment import LOOPBACK
from celery_aws.local.output import spawn

_PATIENCE_SECONDS = 30.0


def redis_program() -> str | None:
    """Return the server's program, None if it is not installed."""
    return shutil.which("redis-server")


@contextmanager
def redis_server(program: str) -> Iterator[str]:
    """Run Redis on a free port beside the block; yields its URL."""
    with socket.create_server((LOOPBACK, 0)) as listener:
        port = listener.getsockname()[1]
    with TemporaryDirectory() as folder:
        arguments = ["--bind", LOOPBACK, "--port", str(port), "--save", "", "--dir", folder]
        process, output = spawn("redis", [program, *arguments], os.environ)
        try:
            assert output.wait_for("(?i)ready to accept connections", _PATIENCE_SECONDS)
            yield f"redis://{LOOPBACK}:{port}/0"
        finally:
            process.terminate()
            try:
                process.wait(_PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
            output.stop(_PATIENCE_SECONDS)
