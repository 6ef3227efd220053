"""The benchmark itself runs, with a few tasks: no figure is looked at."""

import socket
import threading
import time

import pytest
from bench.redis_server import redis_program
from bench.speed.delay_proxy import delay_proxy
from bench.speed.plan import POOLS, Cell
from bench.speed.run import run

pytestmark = pytest.mark.worker

STORED = {"ours": "dynamodb.PutItem", "stock": "dynamodb.PutItem", "redis": "setex"}


@pytest.mark.parametrize("side", STORED)
def test_a_run_of_each_side(side: str) -> None:
    if side == "redis" and redis_program() is None:
        pytest.skip("redis-server is not installed")
    cell = Cell(
        side=side,
        pool=POOLS["threads16"],
        latency_ms=1,
        tasks=200,
        warm_tasks=8,
        single=3,
        group=12,
        round_trips=1,
    )
    found = run(cell, 0, most_seconds=20)
    # As many as were left when the measurement was seen to be due.
    assert 1 <= found.tasks <= 192
    assert found.requests[STORED[side]] == 1
    assert found.parent_cpu > 0
    assert found.memory_mb > 10
    assert found.single is not None
    assert found.group is not None
    assert len(found.round_trips_ms) == 1


def test_a_far_away_server() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=echo, args=(listener,), daemon=True).start()
        with delay_proxy(listener.getsockname()[1]) as proxy:
            proxy.set_latency(50)
            with socket.create_connection(("127.0.0.1", proxy.port)) as connection:
                began = time.monotonic()
                connection.sendall(b"hello")
                assert connection.recv(5) == b"hello"
                assert time.monotonic() - began >= 0.05


def echo(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    with connection:
        while data := connection.recv(100):
            connection.sendall(data)
