"""A TCP proxy in front of the local AWS that lets requests fail as they do on a bad day.

Delays, errors, throttling, expired credentials, cut and half-open connections, lost replies:
each can be switched on and off at any time, for all operations or some, for a number of
requests or until it is switched off. It listens on loopback and forwards to loopback only, and
is no substitute for AWS's own behaviour under load. What the faults are:
:mod:`celery_aws.testing.proxy_faults`.

Clients need nothing but its endpoint: botocore sends each request to the endpoint of its client,
also where the answer of GetQueueUrl names another host (botocore 1.43, ``QueueUrl`` is an
ordinary parameter).
"""

import asyncio
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from celery_aws.background import BackgroundThread
from celery_aws.errors import ConfigurationError
from celery_aws.local.environment import LOOPBACK
from celery_aws.testing.proxy_connection import CONNECTION, LINE_LIMIT_BYTES, ProxyConnection
from celery_aws.testing.proxy_faults import Cut, Fault, FaultSwitches, HalfOpen
from celery_aws.testing.request_tally import RequestTally

if TYPE_CHECKING:
    from typing_extensions import Self

#: Seconds for the thread to do what it is asked to: it never waits for a client or a server.
_DEADLINE_SECONDS: Final = 10.0

#: Connections that may wait to be accepted.
_BACKLOG: Final = 128


class FaultProxy:
    """A proxy with a start and a stop, both idempotent; also a context manager.

    ::

        with LocalAws() as aws, FaultProxy(aws.endpoint_url) as proxy:
            sqs = boto3.client("sqs", endpoint_url=proxy.endpoint_url)
            with proxy.switched_on(THROTTLED, operations=["sqs.SendMessage"]):
                ...

    Attributes:
        requests: every request that came, by operation (``sqs.SendMessage``).
        faulted: those of them that met a fault, and under ``connection`` the connections that
            were made while the whole line was cut or half-open.
    """

    def __init__(self, endpoint_url: str, *, port: int = 0) -> None:
        """Take the settings; nothing is started.

        Args:
            endpoint_url: of the local AWS, such as ``http://127.0.0.1:4566``.
            port: to listen on at 127.0.0.1; 0 takes a free one, another at each start.

        Raises:
            ConfigurationError: the endpoint is not on this machine, or not plain HTTP.
        """
        self.requests = RequestTally()
        self.faulted = RequestTally()
        self._server_port = _loopback_port(endpoint_url)
        self._wanted_port = port
        self._switches = FaultSwitches()
        self._thread: _ProxyThread | None = None

    @property
    def running(self) -> bool:
        """True while it accepts connections."""
        return self._thread is not None and self._thread.alive

    @property
    def port(self) -> int:
        """The port that it listens on.

        Raises:
            RuntimeError: it does not run.
        """
        if self._thread is None:
            raise RuntimeError("the fault proxy does not run: call start() first")
        return self._thread.port

    @property
    def endpoint_url(self) -> str:
        """The endpoint for boto3, such as ``http://127.0.0.1:4567``."""
        return f"http://{LOOPBACK}:{self.port}"

    def start(self) -> None:
        """Listen, unless it does.

        Raises:
            OSError: the port is in use, or not allowed.
        """
        if self._thread is not None:
            return
        listener = socket.create_server((LOOPBACK, self._wanted_port), backlog=_BACKLOG)
        self._thread = _ProxyThread(listener, self._connection, self._switches)
        self._thread.start()

    def stop(self) -> None:
        """Close every connection and end the thread; faults stay switched on.

        Raises:
            TimeoutError: the thread did not end within ten seconds.
        """
        thread, self._thread = self._thread, None
        if thread is not None and not thread.stop(_DEADLINE_SECONDS):
            raise TimeoutError(f"the fault proxy did not end within {_DEADLINE_SECONDS:g} s")

    def switch_on(
        self, fault: Fault, *, operations: Sequence[str] = (), times: int | None = None
    ) -> None:
        """Let requests meet ``fault``, from now on, beside the faults that are switched on.

        Of several faults a request meets every delay and the first of the others.

        Args:
            fault: what goes wrong.
            operations: whose requests meet it, as patterns (``sqs.ReceiveMessage``,
                ``dynamodb.*``); none are all.
            times: how many requests meet it; None is every one until it is switched off.
        """
        self._switches.on(fault, operations, times)
        if self._thread is not None:
            self._thread.apply_line_fault()

    def switch_off(self, fault: Fault | None = None) -> None:
        """End a fault for all operations it is on for, or every fault.

        Connections that are half-open remain so.
        """
        self._switches.off(fault)

    @contextmanager
    def switched_on(
        self, fault: Fault, *, operations: Sequence[str] = (), times: int | None = None
    ) -> Iterator[None]:
        """Let requests meet ``fault`` within a ``with`` block; arguments as :meth:`switch_on`."""
        self.switch_on(fault, operations=operations, times=times)
        try:
            yield
        finally:
            self.switch_off(fault)

    def __enter__(self) -> "Self":
        self.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _connection(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> ProxyConnection:
        connection = ProxyConnection(
            reader,
            writer,
            server_port=self._server_port,
            switches=self._switches,
            requests=self.requests,
            faulted=self.faulted,
        )
        fault = self._switches.line()
        if fault is not None:
            self.faulted.count(CONNECTION)
            connection.meet_line_fault(fault)
        return connection


_Connect = Callable[[asyncio.StreamReader, asyncio.StreamWriter], ProxyConnection]


class _ProxyThread(BackgroundThread):
    """The event loop that all connections live in."""

    def __init__(self, listener: socket.socket, connect: _Connect, switches: FaultSwitches) -> None:
        super().__init__("celery-aws-fault-proxy")
        self.port: int = listener.getsockname()[1]
        self._listener = listener
        self._connect = connect
        self._switches = switches
        self._connections: dict[asyncio.Task[None], ProxyConnection] = {}
        self._loop = asyncio.new_event_loop()
        self._ended = asyncio.Event()

    def run(self) -> None:
        """Serve until stopped."""
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    def wake(self) -> None:
        """End the serving."""
        with suppress(RuntimeError):  # it has ended, and closed its loop
            self._loop.call_soon_threadsafe(self._ended.set)

    def apply_line_fault(self) -> None:
        """Let open connections meet what is wrong with the line; done when it returns."""
        asyncio.run_coroutine_threadsafe(self._meet(), self._loop).result(_DEADLINE_SECONDS)

    async def _meet(self) -> None:
        fault = self._switches.line()
        for connection in list(self._connections.values()):
            if isinstance(fault, Cut | HalfOpen):
                connection.meet_line_fault(fault)

    async def _serve(self) -> None:
        server = await asyncio.start_server(
            self._accept, sock=self._listener, limit=LINE_LIMIT_BYTES
        )
        await self._ended.wait()
        server.close()
        for task, connection in self._connections.items():
            task.cancel()
            connection.close()  # a task that has not begun yet would not
        await asyncio.gather(*self._connections, return_exceptions=True)
        # Once more round the loop, which closes the sockets.
        await asyncio.sleep(0)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = self._connect(reader, writer)
        task = self._loop.create_task(connection.serve())
        self._connections[task] = connection
        task.add_done_callback(self._connections.pop)


def _loopback_port(endpoint_url: str) -> int:
    parts = urlsplit(endpoint_url)
    if parts.scheme != "http" or parts.hostname not in (LOOPBACK, "localhost") or not parts.port:
        raise ConfigurationError(
            f"endpoint_url: {endpoint_url!r} is not a server on this machine such as "
            f"'http://{LOOPBACK}:4566'; the fault proxy forwards to no other",
            where="endpoint_url",
        )
    return parts.port
