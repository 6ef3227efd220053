"""Redis as people run it: with TLS, users, replicas, sentinels, in cluster mode."""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from celery_aws.local.output import spawn
from tests.integration.migrate.redis.old_side import client_of
from tests.servers import RedisServer, free_ports, redis_server

PATIENCE_SECONDS = 60.0

ALL_SLOTS = 16_384


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Wait until something is so that no server tells of by itself."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


@contextmanager
def tls_server(folder: Path) -> Iterator[tuple[str, Path]]:
    """Run Redis with TLS beside the block: where it listens, and who vouches for it."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    openssl = shutil.which("openssl")
    assert openssl is not None
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", *names, *files]
    subprocess.run(command, check=True, capture_output=True)
    [port] = free_ports(1)
    files = ["--tls-cert-file", str(certificate), "--tls-key-file", str(key)]
    files += ["--tls-ca-cert-file", str(certificate), "--tls-auth-clients", "no"]
    with redis_server("--tls-port", str(port), *files):
        yield f"127.0.0.1:{port}", certificate


@contextmanager
def sentinel_of(master: RedisServer, folder: Path) -> Iterator[int]:
    """Run a sentinel beside the block; its port."""
    [port] = free_ports(1)
    file = folder / "sentinel.conf"
    file.write_text(
        f"bind 127.0.0.1\nport {port}\nsentinel monitor shop 127.0.0.1 {master.port} 1\n"
    )
    program = shutil.which("redis-server")
    assert program is not None
    process, output = spawn("sentinel", [program, str(file), "--sentinel"], {})
    try:
        assert output.wait_for(r"\+monitor master shop", PATIENCE_SECONDS), output.tail()
        yield port
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)
        output.stop(PATIENCE_SECONDS)


@contextmanager
def replica_of(master: RedisServer) -> Iterator[RedisServer]:
    """Run a replica beside the block, which has what the master has."""
    with redis_server("--replicaof", f"127.0.0.1 {master.port}") as replica:
        client = client_of(master)

        def is_online() -> bool:
            facts: Any = client.info("replication")
            return bool(facts.get("slave0", {}).get("state") == "online")

        wait_until(is_online, "the replica is not online")
        yield replica


@contextmanager
def cluster_node() -> Iterator[RedisServer]:
    """Run a node of a cluster beside the block, without any slots."""
    [bus] = free_ports(1)
    with redis_server("--cluster-enabled", "yes", "--cluster-port", str(bus)) as server:
        yield server


def give_slots(server: RedisServer, first: int = 0, last: int = ALL_SLOTS - 1) -> None:
    """Give slots to a node of a cluster."""
    client: Any = client_of(server)
    client.execute_command("CLUSTER", "ADDSLOTSRANGE", first, last)


def introduce(server: RedisServer, other: RedisServer) -> None:
    """Let two nodes know each other."""
    bus: Any = client_of(other).config_get("cluster-port")
    client: Any = client_of(server)
    client.execute_command("CLUSTER", "MEET", "127.0.0.1", other.port, bus["cluster-port"])


def wait_for_cluster(*servers: RedisServer) -> None:
    """Wait until each node thinks that the cluster is whole."""
    for server in servers:
        wait_until(partial(_is_whole, server), "the cluster is not whole")


def _is_whole(server: RedisServer) -> bool:
    client: Any = client_of(server)
    return b"cluster_state:ok" in client.execute_command("CLUSTER", "INFO")
