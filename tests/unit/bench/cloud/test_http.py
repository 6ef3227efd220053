"""Requests however they are cut up, answers as clients read them."""

import asyncio

import pytest
from bench.cloud.answers import Answer, Cancel, Reply
from bench.cloud.http import Connection

REQUEST = (
    b"POST / HTTP/1.1\r\nHost: x\r\nX-Amz-Target: AmazonSQS.SendMessage\r\n"
    b"Content-Length: 4\r\n\r\nbody"
)


class Wire(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.written = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)


class Asked:
    """Keeps requests; answers them when told to."""

    def __init__(self) -> None:
        self.requests: list[tuple[bytes, str, bytes]] = []
        self.replies: list[Reply] = []
        self.cancelled = 0

    def __call__(self, line: bytes, target: str, body: bytes, reply: Reply) -> Cancel:
        self.requests.append((line, target, body))
        self.replies.append(reply)
        return self.cancel

    def cancel(self) -> None:
        self.cancelled += 1


def connected() -> tuple[Connection, Asked, Wire]:
    asked, wire = Asked(), Wire()
    connection = Connection(asked)
    connection.connection_made(wire)
    return connection, asked, wire


@pytest.mark.parametrize("piece_bytes", [1, 7, 60, 1_000])
def test_requests_in_pieces(piece_bytes: int) -> None:
    connection, asked, _ = connected()
    stream = REQUEST + REQUEST
    for begin in range(0, len(stream), piece_bytes):
        connection.data_received(stream[begin : begin + piece_bytes])
    assert asked.requests == [(b"POST / HTTP/1.1", "AmazonSQS.SendMessage", b"body")] * 2


def test_names_of_headers_in_any_case_and_no_body() -> None:
    connection, asked, _ = connected()
    connection.data_received(b"GET /_cloud/usage HTTP/1.1\r\nx-amz-TARGET:a.B\r\n\r\n")
    assert asked.requests == [(b"GET /_cloud/usage HTTP/1.1", "a.B", b"")]


def test_a_client_that_asks_whether_to_go_on() -> None:
    connection, asked, wire = connected()
    head, body = REQUEST.replace(b"Host: x", b"Expect: 100-continue"), b"body"
    connection.data_received(head.removesuffix(body))
    assert wire.written == b"HTTP/1.1 100 Continue\r\n\r\n"
    connection.data_received(body)
    assert len(asked.requests) == 1


def test_an_answer() -> None:
    connection, asked, wire = connected()
    connection.data_received(REQUEST)
    asked.replies[0](Answer(b'{"a":1}', 400, b"x-amz-crc32: 1\r\n"))
    head, _, body = wire.written.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"\r\nContent-Length: 7\r\n" in head
    assert head.endswith(b"\r\nx-amz-crc32: 1")
    assert body == b'{"a":1}'


def test_nobody_waits_for_a_client_that_has_gone() -> None:
    connection, asked, wire = connected()
    connection.data_received(REQUEST)
    connection.connection_lost(None)
    asked.replies[0](Answer(b"{}"))
    assert asked.cancelled == 1
    assert wire.written == b""
