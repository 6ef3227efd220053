"""A Redis and a RabbitMQ of a test's own, on loopback; they end with their block."""

import gc
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from celery_aws.local.environment import LOOPBACK
from celery_aws.local.output import spawn

_PATIENCE_SECONDS = 60.0

#: Debian's program of this name changes the user, and so cannot write where a test is.
_RABBITMQ = "/usr/lib/rabbitmq/bin/rabbitmq-server"


@dataclass(frozen=True, kw_only=True)
class RedisServer:
    """A running Redis.

    Attributes:
        port: where it listens.
        pid: of its process.
    """

    port: int
    pid: int

    def url(self, database: int = 0) -> str:
        """Return the URL of one of its databases."""
        return f"redis://{LOOPBACK}:{self.port}/{database}"


@dataclass(frozen=True, kw_only=True)
class RabbitServer:
    """A running RabbitMQ.

    Attributes:
        port: of AMQP.
        management_port: of its HTTP API.
        pid: of its process.
        tls_port: of AMQP with TLS, if it has a certificate.
    """

    port: int
    management_port: int
    pid: int
    tls_port: int | None = None

    def url(self, virtual_host: str = "") -> str:
        """Return the URL of one of its virtual hosts; the default one has no name here."""
        return f"amqp://guest:guest@{LOOPBACK}:{self.port}/{virtual_host}"

    @property
    def management_url(self) -> str:
        """Where the HTTP API is."""
        return f"http://guest:guest@{LOOPBACK}:{self.management_port}"


@contextmanager
def redis_server(*options: str) -> Iterator[RedisServer]:
    """Run Redis beside the block; skips the test where it is not installed, and fails it in CI.

    Args:
        options: of the server, such as ``--requirepass``, ``secret``.
    """
    program = _program(shutil.which("redis-server"), "redis-server")
    [port] = free_ports(1)
    with TemporaryDirectory() as folder:
        command = [program, "--bind", LOOPBACK, "--port", str(port), "--save", "", "--dir", folder]
        with _running("redis", [*command, *options], "(?i)ready to accept connections") as pid:
            try:
                yield RedisServer(port=port, pid=pid)
            finally:
                _let_results_go(port)


@contextmanager
def rabbitmq_server(*, certificate: Path | None = None) -> Iterator[RabbitServer]:
    """Run RabbitMQ with its HTTP API beside the block; it takes some seconds to start.

    Args:
        certificate: of the server, as PEM, ``<name>.pem`` with ``<name>.key`` beside it; also
            listen with TLS.

    Skips the test where it is not installed, and fails it in CI.
    """
    program = _program(_RABBITMQ if os.path.exists(_RABBITMQ) else None, "rabbitmq-server")
    epmd = _program(shutil.which("epmd"), "epmd")
    amqp, tls, management, distribution, names = free_ports(5)
    with TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            **_rabbitmq_environment(
                Path(folder), amqp, management, also=_tls_lines(tls, certificate)
            ),
            "RABBITMQ_NODENAME": f"celery-aws-{amqp}@localhost",
            "RABBITMQ_DIST_PORT": str(distribution),
            "ERL_EPMD_PORT": str(names),
            "ERL_EPMD_ADDRESS": LOOPBACK,
        }
        # The server would start one that stays.
        registry = subprocess.Popen([epmd, "-port", str(names), "-address", LOOPBACK])
        try:
            _wait_for_port(names)
            ready = r"(?i)completed with \d+ plugins"
            with _running("rabbitmq", [program], ready, environment) as pid:
                yield RabbitServer(
                    port=amqp,
                    management_port=management,
                    pid=pid,
                    tls_port=tls if certificate else None,
                )
        finally:
            registry.terminate()
            registry.wait(_PATIENCE_SECONDS)


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on."""
    listeners = [socket.create_server((LOOPBACK, 0)) for _ in range(count)]
    try:
        return [int(listener.getsockname()[1]) for listener in listeners]
    finally:
        for listener in listeners:
            listener.close()


def _let_results_go(port: int) -> None:
    """Let results that are deleted later not say goodbye to a Redis that is gone by then.

    They would try for 20 s, in whichever test the garbage is collected.

    Args:
        port: where the Redis listens, still.
    """
    redis_backend = sys.modules.get("celery.backends.redis")
    if redis_backend is None:
        return
    # Not by isinstance, which asks lazy objects what they are.
    for each in gc.get_objects():
        if type(each) is redis_backend.ResultConsumer and _port_of(each) == port:
            each.stop()
            # Asked for by Celery before it says goodbye.
            each._pubsub = None


def _port_of(consumer: Any) -> int | None:
    found = consumer.backend.connparams.get("port")
    return None if found is None else int(found)


def _program(path: str | None, name: str) -> str:
    if path is not None:
        return path
    if os.environ.get("CI"):
        pytest.fail(f"CI needs {name}")
    pytest.skip(f"{name} is not installed")


def _rabbitmq_environment(
    folder: Path, amqp: int, management: int, *, also: str = ""
) -> Mapping[str, str]:
    configuration = folder / "rabbitmq.conf"
    configuration.write_text(
        f"listeners.tcp.1 = {LOOPBACK}:{amqp}\n"
        f"management.tcp.ip = {LOOPBACK}\n"
        f"management.tcp.port = {management}\n"
        "vm_memory_high_watermark.absolute = 1GiB\n"
        f"disk_free_limit.absolute = 50MB\n{also}"
    )
    plugins = folder / "enabled_plugins"
    plugins.write_text("[rabbitmq_management].\n")
    return {
        "HOME": str(folder),
        "RABBITMQ_BASE": str(folder),
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_CONFIG_FILE": str(configuration),
        "RABBITMQ_CONF_ENV_FILE": str(folder / "none"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(plugins),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
        # One core is enough, and leaves the other ones to workers.
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none",
    }


def _tls_lines(port: int, certificate: Path | None) -> str:
    if certificate is None:
        return ""
    return (
        f"listeners.ssl.1 = {LOOPBACK}:{port}\n"
        f"ssl_options.cacertfile = {certificate}\n"
        f"ssl_options.certfile = {certificate}\n"
        f"ssl_options.keyfile = {certificate.with_suffix('.key')}\n"
        "ssl_options.verify = verify_none\n"
    )


@contextmanager
def _running(
    name: str,
    command: Sequence[str],
    ready: str,
    environment: Mapping[str, str] = os.environ,
) -> Iterator[int]:
    process, output = spawn(name, command, environment)
    try:
        assert output.wait_for(ready, _PATIENCE_SECONDS), output.tail()
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
        output.stop(_PATIENCE_SECONDS)


def _is_open(port: int) -> bool:
    try:
        socket.create_connection((LOOPBACK, port)).close()
    except ConnectionRefusedError:
        return False
    return True


def _wait_for_port(port: int) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not _is_open(port):
        assert time.monotonic() < deadline, f"nobody listens on {port}"
        time.sleep(0.05)
