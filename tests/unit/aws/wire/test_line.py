"""Connections: used again while they last, and never after half an answer."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import pytest
from botocore.awsrequest import AWSHTTPConnection, AWSHTTPConnectionPool
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError, ReadTimeoutError
from botocore.httpsession import URLLib3Session
from urllib3 import HTTPConnectionPool

from celery_aws.aws.wire.line import Line, answer_of
from celery_aws.aws.wire.template import WireRequest
from tests.unit.aws.wire.recorder import Recorder, answer, recording


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    with recording() as recorder:
        yield recorder


@pytest.fixture
def session() -> Iterator[URLLib3Session]:
    session = URLLib3Session(timeout=(5, 5))
    yield session
    session.close()


@pytest.fixture
def line(recorder: Recorder, session: URLLib3Session) -> Line:
    return Line(session, f"{recorder.url}/")


def request(url: str, body: bytes = b"{}") -> WireRequest:
    headers = (("User-Agent", "test/é"), ("Content-Length", str(len(body))))
    return WireRequest(f"{url}/", "/", url.removeprefix("http://"), headers, body)


def test_an_open_connection_is_used_again_with_the_same_bytes(
    recorder: Recorder, line: Line
) -> None:
    recorder.answer = answer(b"[1]", b"X-Amzn-RequestId: 7")
    for body in (b"{}", b"{}", b"x" * 1_000_000):
        got = line.send(request(recorder.url, body))
        assert (got.status_code, got.content, got.headers["x-amzn-requestid"]) == (200, b"[1]", "7")
    assert recorder.connections == 1
    cold, warm, large = recorder.requests
    assert warm.raw == cold.raw
    assert large.body == b"x" * 1_000_000


def test_a_connection_that_the_server_has_closed_is_not_used(
    recorder: Recorder, line: Line
) -> None:
    recorder.answers_left = 1
    line.send(request(recorder.url))
    assert recorder.closed.wait(5)
    recorder.answers_left = None
    line.send(request(recorder.url))
    assert recorder.connections == 2


def test_a_connection_that_the_server_will_close_is_not_used(
    recorder: Recorder, line: Line
) -> None:
    line.send(request(recorder.url))
    recorder.answer = answer(b"{}", b"Connection: close")
    line.send(request(recorder.url))
    line.send(request(recorder.url))
    assert recorder.connections == 2


def test_no_answer_in_time_is_botocores_error_and_ends_the_connection(recorder: Recorder) -> None:
    session = URLLib3Session(timeout=(5, 0.05))
    line = Line(session, f"{recorder.url}/")
    line.send(request(recorder.url))
    recorder.answer = b""
    with pytest.raises(ReadTimeoutError):
        line.send(request(recorder.url))
    recorder.answer = answer(b"[2]")
    assert line.send(request(recorder.url)).content == b"[2]"
    assert recorder.connections == 2
    session.close()


@pytest.mark.parametrize(
    "broken",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"not HTTP at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 200 + b"\r\n",
    ],
)
def test_a_broken_answer_is_botocores_error_and_ends_the_connection(
    recorder: Recorder, line: Line, broken: bytes
) -> None:
    line.send(request(recorder.url))
    recorder.answer, recorder.answers_left = broken, 1
    with pytest.raises(ConnectionClosedError):
        line.send(request(recorder.url))
    recorder.answer, recorder.answers_left = answer(b"[2]"), None
    assert line.send(request(recorder.url)).content == b"[2]"


def test_an_answer_in_chunks_is_read(recorder: Recorder, line: Line) -> None:
    line.send(request(recorder.url))
    chunked = [b"HTTP/1.1 200 OK", b"Transfer-Encoding: chunked", b""]
    chunks = [b"2", b"[1", b"2", b",2", b"1", b"]", b"0", b"", b""]
    recorder.answer = b"\r\n".join([*chunked, *chunks])
    assert line.send(request(recorder.url)).content == b"[1,2]"
    recorder.answer = answer(b"[3]")
    assert line.send(request(recorder.url)).content == b"[3]"
    assert recorder.connections == 1


class Killed(BaseException):
    pass


@dataclass(frozen=True)
class KilledRequest(WireRequest):
    """A request whose thread is ended from outside while it is on its way."""

    def message(self) -> bytes:
        raise Killed


def test_who_is_killed_leaves_no_half_read_connection(recorder: Recorder, line: Line) -> None:
    line.send(request(recorder.url))
    with pytest.raises(Killed):
        line.send(KilledRequest(**vars(request(recorder.url))))
    line.send(request(recorder.url))
    assert recorder.connections == 2


def test_nobody_there_is_botocores_error(session: URLLib3Session) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with pytest.raises(EndpointConnectionError):
        Line(session, f"{url}/").send(request(url))


def test_a_closed_session_connects_again_as_botocores_does(
    recorder: Recorder, session: URLLib3Session, line: Line
) -> None:
    line.send(request(recorder.url))
    session.close()
    line.send(request(recorder.url))
    assert recorder.connections == 2


def test_another_kind_of_session_is_told_at_once() -> None:
    with pytest.raises(AttributeError):
        Line(object(), "http://127.0.0.1/")


@pytest.mark.parametrize("name", ["_get_conn", "_put_conn"])
def test_another_kind_of_pool_is_told_at_once(
    recorder: Recorder, session: URLLib3Session, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.delattr(HTTPConnectionPool, name)
    with pytest.raises(AttributeError, match=name):
        Line(session, f"{recorder.url}/")


class PlayedBack(AWSHTTPConnection):
    """A connection without a server, as tools have them that play recorded answers."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.sock = BytesIO()


def test_a_connection_of_a_tool_is_the_tools(
    recorder: Recorder, session: URLLib3Session, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AWSHTTPConnectionPool, "ConnectionCls", PlayedBack)
    played = answer_of(recorder.url, 200, {}, b"[1]")
    monkeypatch.setattr(session, "send", lambda request: played)
    assert line.send(request(recorder.url)) is played
