"""HTTP/1.1 with persistent connections, as little of it as AWS's clients need."""

import asyncio
import itertools
from collections.abc import Callable
from http import HTTPStatus

from bench.cloud.answers import JSON, Answer, Cancel, Reply

_END_OF_HEAD = b"\r\n\r\n"
_LENGTH = b"\r\ncontent-length:"
_TARGET = b"\r\nx-amz-target:"
_CONTINUE = b"\r\nexpect: 100-continue"
_REASONS = {status.value: status.phrase for status in HTTPStatus}

#: Whether it is to be answered without delay: what is for the cloud itself, not for AWS.
Handler = Callable[[bytes, str, bytes, Reply], Cancel | None]


class Connection(asyncio.Protocol):
    """One client's connection: a request, its answer, the next request.

    Args:
        handle: called with the first line, the target and the body of each request, and with what
            takes the answer.
    """

    def __init__(self, handle: Handler) -> None:
        self._handle = handle
        self._received = bytearray()
        #: Bytes of the request that has begun, once its head is there.
        self._wanted = 0
        self._head = b""
        self._transport: asyncio.Transport | None = None
        self._cancel: Cancel | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Let nobody wait for an answer any more."""
        self._transport = None
        if self._cancel is not None:
            self._cancel()

    def data_received(self, data: bytes) -> None:
        """Take what has come; answer each request that is whole."""
        self._received += data
        while self._is_whole():
            begin = len(self._head) + len(_END_OF_HEAD)
            body = bytes(self._received[begin : self._wanted])
            del self._received[: self._wanted]
            head, self._head, self._wanted = self._head, b"", 0
            first_line = head[: head.find(b"\r\n")]
            target = _value(head, _TARGET).decode()
            self._cancel = None
            self._cancel = self._handle(first_line, target, body, self._reply)

    def _is_whole(self) -> bool:
        if not self._wanted:
            end = self._received.find(_END_OF_HEAD)
            if end < 0:
                return False
            self._head = bytes(self._received[:end])
            lowered = self._head.lower()
            self._wanted = end + len(_END_OF_HEAD) + int(_value(lowered, _LENGTH) or 0)
            if _CONTINUE in lowered and self._transport is not None:
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return len(self._received) >= self._wanted

    def _reply(self, answer: Answer) -> None:
        if self._transport is not None:
            self._transport.write(written(answer))


_requests = itertools.count()


def written(answer: Answer) -> bytes:
    """Return an answer as it goes over the wire."""
    return (
        b"HTTP/1.1 %d %s\r\nx-amzn-RequestId: %032x\r\nContent-Type: %s\r\nContent-Length: %d\r\n"
        b"Connection: keep-alive\r\n%s\r\n%s"
    ) % (
        answer.status,
        _REASONS.get(answer.status, "").encode(),
        next(_requests),
        JSON,
        len(answer.body),
        answer.headers,
        answer.body,
    )


def _value(head: bytes, name: bytes) -> bytes:
    begin = head.lower().find(name)
    if begin < 0:
        return b""
    begin += len(name)
    end = head.find(b"\r\n", begin)
    return head[begin : len(head) if end < 0 else end].strip()
