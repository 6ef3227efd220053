"""One client's connection to the fault proxy: its requests, one after the other.

Each request has a connection of its own to the server behind. So a server that closes idle
connections is never mistaken for a fault, and a client that goes away takes its request along.
Runs in the event loop of the proxy's thread.
"""

import asyncio
import logging
import socket
import struct
from contextlib import suppress

from celery_aws.local.environment import LOOPBACK
from celery_aws.testing.proxy_faults import (
    Cut,
    Delay,
    ErrorReply,
    Fault,
    FaultSwitches,
    HalfOpen,
    LostReply,
)
from celery_aws.testing.proxy_http import (
    CONTINUE,
    HttpReply,
    HttpRequest,
    error_reply,
    read_head,
    read_reply,
    read_request_body,
)
from celery_aws.testing.request_tally import RequestTally

logger = logging.getLogger(__name__)

#: What a connection that met a fault before any request is counted as.
CONNECTION = "connection"

#: Of a head, and of a line between chunks.
LINE_LIMIT_BYTES = 65_536

#: Close with a reset: what is still to be sent is thrown away.
_NO_LINGER = struct.pack("ii", 1, 0)

#: The other side went away, or speaks no HTTP.
_BROKEN = (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError)


class ProxyConnection:
    """A connection of one client."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        server_port: int,
        switches: FaultSwitches,
        requests: RequestTally,
        faulted: RequestTally,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._server_port = server_port
        self._switches = switches
        self._requests = requests
        self._faulted = faulted
        self._swallows = False
        #: The operation under way that has met no fault yet.
        self._unharmed: str | None = None

    async def serve(self) -> None:
        """Answer requests until the client goes away."""
        answering: asyncio.Task[None] | None = None
        try:
            while (request := await self._next_request()) is not None:
                if answering is not None:
                    await answering
                answering = asyncio.ensure_future(self._answer(request))
        except _BROKEN as error:
            logger.debug("a connection to the fault proxy broke: %r", error)
        finally:
            # Reached while a request is under way if its client has gone: nobody waits for it.
            if answering is not None:
                answering.cancel()
                with suppress(asyncio.CancelledError):
                    await answering
            self.close()

    def close(self) -> None:
        """Close the connection, whatever is under way."""
        self._writer.transport.abort()

    def meet_line_fault(self, fault: Cut | HalfOpen) -> None:
        """Let the whole line fail, with what is under way."""
        self._count_fault()
        if isinstance(fault, Cut):
            self._reset()
        else:
            self._swallows = True

    async def _next_request(self) -> HttpRequest | None:
        head = await read_head(self._reader)
        if head is None:
            return None
        if head.expects_continue and not self._swallows:
            self._writer.write(CONTINUE)
        return HttpRequest(head=head, body=await read_request_body(self._reader, head))

    async def _answer(self, request: HttpRequest) -> None:
        operation = self._unharmed = request.operation
        self._requests.count(operation)
        if self._swallows:
            self._count_fault()
            return
        if await self._ends_in(self._switches.before(operation), request):
            return
        try:
            reply = await _forward(request, self._server_port)
        except _BROKEN as error:
            logger.warning("the server behind the fault proxy gave no answer: %r", error)
            self._writer.close()
            return
        if await self._ends_in(self._switches.after(operation), request):
            return
        self._unharmed = None
        await self._send(reply)

    async def _ends_in(self, faults: list[Fault], request: HttpRequest) -> bool:
        """Meet faults one by one; True if the request goes no further."""
        if faults:
            self._count_fault()
        for fault in faults:
            if isinstance(fault, Delay):
                await asyncio.sleep(fault.seconds)
            elif isinstance(fault, ErrorReply):
                code = fault.code_of(request.service)
                await self._send(
                    error_reply(request, status=fault.status, code=code, message=fault.message)
                )
                return True
            else:
                self._fail(fault)
                return True
        return self._swallows

    def _fail(self, fault: Cut | HalfOpen | LostReply) -> None:
        if isinstance(fault, Cut):
            self._reset()
        elif isinstance(fault, HalfOpen):
            self._swallows = True
        else:
            self._writer.close()

    async def _send(self, reply: HttpReply) -> None:
        if self._swallows:
            return
        self._writer.write(reply.raw)
        # The client may go away while it is answered; the reading side sees to that.
        with suppress(OSError):
            await self._writer.drain()
        if reply.closes:
            self._writer.close()

    def _reset(self) -> None:
        connection = self._writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self._writer.transport.abort()

    def _count_fault(self) -> None:
        if self._unharmed is not None:
            self._faulted.count(self._unharmed)
            self._unharmed = None


async def _forward(request: HttpRequest, port: int) -> HttpReply:
    reader, writer = await asyncio.open_connection(LOOPBACK, port, limit=LINE_LIMIT_BYTES)
    try:
        writer.write(request.raw)
        await writer.drain()
        return await read_reply(reader, request)
    finally:
        writer.transport.abort()
