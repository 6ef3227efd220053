"""A TCP proxy that holds back what a server answers for some milliseconds: a far away Redis.

A process of its own; its delay is told to it on standard input, and it ends with that. A request
goes through at once: only the sum of both ways counts.
"""

import asyncio
import os
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from celery_aws.local.environment import LOOPBACK

_ROOT = Path(__file__).parent.parent.parent
_MILLISECOND = 0.001


class DelayProxy:
    """Tells the process of the proxy what to do."""

    def __init__(self, process: "subprocess.Popen[str]", port: int) -> None:
        self._process = process
        self.port = port

    def set_latency(self, milliseconds: float) -> None:
        """Hold back each answer so long from now on."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{milliseconds:g}\n")
        self._process.stdin.flush()
        # What it writes says that it has understood.
        self._process.stdout.readline()


@contextmanager
def delay_proxy(server_port: int) -> Iterator[DelayProxy]:
    """Run a proxy on loopback in front of a server on loopback; without a delay so far."""
    command = [sys.executable, "-m", "bench.speed.delay_proxy", str(server_port)]
    with subprocess.Popen(
        command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield DelayProxy(process, int(process.stdout.readline()))
        finally:
            process.kill()


class _Delay:
    seconds = 0.0


class _Late(asyncio.Protocol):
    """The server's side of one connection: holds back what comes from it."""

    def __init__(self, client: asyncio.Transport, delay: _Delay) -> None:
        self._client = client
        self._delay = delay
        self._held: deque[tuple[float, bytes]] = deque()
        self._loop = asyncio.get_running_loop()

    def data_received(self, data: bytes) -> None:
        """Hold back."""
        due = self._loop.time() + self._delay.seconds
        self._held.append((due, data))
        if len(self._held) == 1:
            self._loop.call_at(due, self._release)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """End the client's connection too."""
        self._client.close()

    def _release(self) -> None:
        now = self._loop.time()
        while self._held and self._held[0][0] <= now:
            self._client.write(self._held.popleft()[1])
        if self._held:
            self._loop.call_at(self._held[0][0], self._release)


class _Through(asyncio.Protocol):
    """The client's side of one connection: passes on at once."""

    def __init__(self, server_port: int, delay: _Delay) -> None:
        self._server_port = server_port
        self._delay = delay
        self._server: asyncio.Transport | None = None
        self._early: list[bytes] = []
        self._connecting: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connect to the server."""
        assert isinstance(transport, asyncio.Transport)
        self._connecting = asyncio.ensure_future(self._connect(transport))

    def data_received(self, data: bytes) -> None:
        """Pass on."""
        if self._server is None:
            self._early.append(data)
        else:
            self._server.write(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """End the server's connection too."""
        if self._server is not None:
            self._server.close()

    async def _connect(self, client: asyncio.Transport) -> None:
        loop = asyncio.get_running_loop()
        server, _ = await loop.create_connection(
            lambda: _Late(client, self._delay), LOOPBACK, self._server_port
        )
        for data in self._early:
            server.write(data)
        self._server = server


async def _serve(server_port: int) -> None:
    loop, delay = asyncio.get_running_loop(), _Delay()
    server = await loop.create_server(lambda: _Through(server_port, delay), LOOPBACK, 0)
    ended = asyncio.Event()

    def on_input() -> None:
        line = os.read(sys.stdin.fileno(), 100)
        if not line:
            ended.set()
            return
        delay.seconds = float(line) * _MILLISECOND
        print("understood", flush=True)

    loop.add_reader(sys.stdin, on_input)
    print(server.sockets[0].getsockname()[1], flush=True)
    await ended.wait()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
