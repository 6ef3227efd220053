import http.client
import json
import os
import socket
import threading
from collections.abc import Iterator

import pytest

from celery_aws.health import http as endpoint_module
from celery_aws.health.http import Answer, HttpEndpoint, serve, served_pages

PATIENCE_SECONDS = 10.0


def boom() -> Answer:
    raise LookupError("no such thing")


PAGES = {
    "/live": lambda: Answer.of_json({"live": True}),
    "/ready": lambda: Answer.of_json({"ready": False}, status=503),
    "/boom": boom,
}


@pytest.fixture
def endpoint() -> Iterator[HttpEndpoint]:
    endpoint = HttpEndpoint("127.0.0.1", 0, PAGES)
    endpoint.start()
    yield endpoint
    endpoint.stop()


def ask(endpoint: HttpEndpoint, path: str, method: str = "GET") -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", endpoint.port, timeout=PATIENCE_SECONDS)
    connection.request(method, path)
    return connection.getresponse()


def test_a_page_is_answered_with_its_status(endpoint: HttpEndpoint) -> None:
    live, ready = ask(endpoint, "/live?verbose=1"), ask(endpoint, "/ready")
    assert (live.status, json.loads(live.read())) == (200, {"live": True})
    assert live.headers["Content-Type"] == "application/json"
    assert (ready.status, json.loads(ready.read())) == (503, {"ready": False})


def test_head_has_no_body(endpoint: HttpEndpoint) -> None:
    answer = ask(endpoint, "/live", "HEAD")
    assert answer.status == 200
    assert int(answer.headers["Content-Length"]) > 0
    assert answer.read() == b""


@pytest.mark.parametrize(
    ("path", "method", "status"), [("/", "GET", 404), ("/live", "POST", 405), ("/boom", "GET", 500)]
)
def test_anything_else_is_refused(
    endpoint: HttpEndpoint, path: str, method: str, status: int
) -> None:
    assert ask(endpoint, path, method).status == status


@pytest.mark.parametrize(
    "request_", [b"\0\1\2\r\n\r\n", b"GET\r\n\r\n", b"GET live HTTP/1.1\r\n\r\n"]
)
def test_what_is_no_request_is_a_bad_one(endpoint: HttpEndpoint, request_: bytes) -> None:
    with socket.create_connection(("127.0.0.1", endpoint.port), PATIENCE_SECONDS) as client:
        client.sendall(request_)
        assert client.recv(100).startswith(b"HTTP/1.1 400 Bad Request")


def test_a_client_that_says_nothing_keeps_nobody_waiting(
    endpoint: HttpEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint_module, "CONNECTION_SECONDS", 0.2)
    with socket.create_connection(("127.0.0.1", endpoint.port), PATIENCE_SECONDS) as silent:
        assert ask(endpoint, "/live").status == 200
        assert silent.recv(100) == b""


def test_what_is_too_much_at_once_is_closed_unheard(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(endpoint_module, "CONNECTIONS", 1)
    began, goes_on = threading.Event(), threading.Event()

    def slow() -> Answer:
        began.set()
        assert goes_on.wait(PATIENCE_SECONDS)
        return Answer(body=b"late")

    endpoint = HttpEndpoint("127.0.0.1", 0, {"/slow": slow})
    endpoint.start()
    first = http.client.HTTPConnection("127.0.0.1", endpoint.port, timeout=PATIENCE_SECONDS)
    first.request("GET", "/slow")
    assert began.wait(PATIENCE_SECONDS)
    with socket.create_connection(("127.0.0.1", endpoint.port), PATIENCE_SECONDS) as second:
        assert second.recv(100) == b""
    goes_on.set()
    assert first.getresponse().read() == b"late"
    endpoint.stop()


def test_pages_may_be_added_while_it_runs() -> None:
    endpoint = HttpEndpoint("127.0.0.1", 0, served_pages())
    endpoint.start()
    assert ask(endpoint, "/test-page").status == 404
    serve({"/test-page": lambda: Answer(body=b"here")})
    assert ask(endpoint, "/test-page").read() == b"here"
    endpoint.stop()


def test_its_port_is_free_once_it_has_stopped(endpoint: HttpEndpoint) -> None:
    port = endpoint.port
    with pytest.raises(OSError, match="in use"):
        HttpEndpoint("127.0.0.1", port, PAGES).start()
    endpoint.stop()
    endpoint.stop()
    assert endpoint.port == 0
    again = HttpEndpoint("127.0.0.1", port, PAGES)
    again.start()
    again.stop()


def test_a_forked_child_does_not_keep_the_port(endpoint: HttpEndpoint) -> None:
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(writer, b"none" if endpoint.port == 0 else b"kept")
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    assert os.read(reader, 10) == b"none"
    os.close(reader)
    os.close(writer)
    assert ask(endpoint, "/live").status == 200
