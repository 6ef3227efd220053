"""A small HTTP server in a thread of its own, for probes and scrapers; default: none runs.

:func:`serve` is how another part of the package has its pages answered on a worker's endpoint,
``serve({"/metrics": page})``: from then on, and whether or not there is an endpoint. Who has a
process of its own for it makes an :class:`HttpEndpoint`.

It answers GET and HEAD, one request a connection, each within two seconds, eight at a time; what is
over is closed unheard. A page must not ask AWS: a probe shall not wait for it. There is no TLS and
no login: the default address is loopback, and probes of Kubernetes, which come from outside of the
pod's loopback, need another.

Not ``http.server``: under gevent and eventlet its sockets are those of the event loop that is
watched here, and it lets a client that sends nothing wait for ever.
"""

import _socket
import json
import logging
import os
import socket
import time
import weakref
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any

from celery_aws.native_threads import start_native_thread, unpatched

logger = logging.getLogger(__name__)

#: Seconds that one connection may take.
CONNECTION_SECONDS = 2.0

#: Connections that are answered at once.
CONNECTIONS = 8

#: Most bytes of a request; what follows its head is not read.
REQUEST_BYTES = 8_192

#: Seconds until the next try after a connection could not be accepted.
ACCEPT_PAUSE_SECONDS = 0.1

#: An answer that took all of its time has a moment to be sent.
_LEAST_SECONDS = 0.1

#: Where only this machine's processes come from.
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a page says."""

    body: bytes
    content_type: str = "text/plain; charset=utf-8"
    status: int = HTTPStatus.OK

    @classmethod
    def of_json(cls, value: object, *, status: int = HTTPStatus.OK) -> "Answer":
        """Return ``value`` as JSON."""
        body = json.dumps(value, indent=2).encode() + b"\n"
        return cls(body=body, content_type="application/json", status=status)


Page = Callable[[], Answer]

_pages: dict[str, Page] = {}

_endpoints: "weakref.WeakSet[HttpEndpoint]" = weakref.WeakSet()


def serve(pages: Mapping[str, Page]) -> None:
    """Let the endpoint of this process answer these pages too, by path.

    Args:
        pages: such as ``{"/metrics": page}``. Each is called in the thread of its connection.
    """
    _pages.update(pages)


def served_pages() -> Mapping[str, Page]:
    """Return what :func:`serve` was told so far, and will be."""
    return _pages


class HttpEndpoint:
    """Answers pages at one address.

    Args:
        address: to listen on, an IP address of this machine; ``0.0.0.0`` or ``::`` are all.
        port: 0 takes a free one.
        pages: by path; looked up at each request.
    """

    def __init__(self, address: str, port: int, pages: Mapping[str, Page]) -> None:
        self.address = address
        self._wanted_port = port
        self._pages = pages
        self._listener: Any = None
        #: What is answered now; a set, because adding and discarding take no lock.
        self._open: set[Any] = set()

    @property
    def port(self) -> int:
        """The port that it listens on, 0 if it does not."""
        return 0 if self._listener is None else int(self._listener.getsockname()[1])

    def start(self) -> None:
        """Listen, unless it does.

        Raises:
            OSError: the port is in use, or address or port are not this process's to have.
        """
        if self._listener is not None:
            return
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        # Python's own is one of greenlets where these are in use, or makes some at each accept.
        listener = _socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((self.address, self._wanted_port))
            listener.listen(4 * CONNECTIONS)
        except OSError:
            listener.close()
            raise
        self._listener = listener
        _endpoints.add(self)
        start_native_thread("celery-aws-http", lambda: self._accept(listener))

    def stop(self) -> None:
        """Listen no more; what is being answered is answered."""
        listener, self._listener = self._listener, None
        if listener is not None:
            with suppress(OSError):
                # It ends the wait for a connection, which closing alone does not.
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    def close_inherited(self) -> None:
        """Let a forked child not keep the port from whoever comes after its parent."""
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.close()

    def _accept(self, listener: Any) -> None:
        pause = unpatched("time", "sleep")
        while self._listener is listener:
            try:
                descriptor, _ = listener._accept()  # noqa: SLF001
                connection = _socket.socket(fileno=descriptor)
            except OSError:
                # Stopped; or no descriptor is free, and the loop must not spin until one is.
                pause(ACCEPT_PAUSE_SECONDS)
                continue
            if len(self._open) >= CONNECTIONS:
                connection.close()
                continue
            self._open.add(connection)
            start_native_thread("celery-aws-http", partial(self._answer, connection))

    def _answer(self, connection: Any) -> None:
        try:
            converse(connection, self._pages)
        except OSError:
            logger.debug("a client of the HTTP endpoint has gone", exc_info=True)
        finally:
            self._open.discard(connection)
            with suppress(OSError):
                # A forked child may hold a copy, which would keep the client waiting.
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()


def converse(connection: Any, pages: Mapping[str, Page]) -> None:
    """Read one request, and answer it.

    Raises:
        OSError: the client has gone, or takes too long.
    """
    deadline = time.monotonic() + CONNECTION_SECONDS
    method, path = _request(connection, deadline)
    answer = _page_of(method, path, pages)
    head = (
        f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}\r\n"
        f"Content-Type: {answer.content_type}\r\n"
        f"Content-Length: {len(answer.body)}\r\n"
        "Cache-Control: no-store\r\nConnection: close\r\n\r\n"
    )
    body = b"" if method == "HEAD" else answer.body
    connection.settimeout(max(deadline - time.monotonic(), _LEAST_SECONDS))
    connection.sendall(head.encode("ascii") + body)


def _request(connection: Any, deadline: float) -> tuple[str, str]:
    """Return method and path of the request, each empty if it is none of HTTP."""
    received = b""
    while b"\r\n\r\n" not in received and len(received) < REQUEST_BYTES:
        left_seconds = deadline - time.monotonic()
        if left_seconds <= 0:
            raise TimeoutError("the request is not there yet")
        connection.settimeout(left_seconds)
        part = connection.recv(REQUEST_BYTES)
        if not part:
            break
        received += part
    words = received.partition(b"\r\n")[0].decode("ascii", "replace").split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        return "", ""
    return words[0], words[1].partition("?")[0]


def _page_of(method: str, path: str, pages: Mapping[str, Page]) -> Answer:
    if not path.startswith("/"):
        return _refusal(HTTPStatus.BAD_REQUEST)
    page = pages.get(path)
    if page is None:
        return _refusal(HTTPStatus.NOT_FOUND)
    if method not in ("GET", "HEAD"):
        return _refusal(HTTPStatus.METHOD_NOT_ALLOWED)
    try:
        return page()
    except Exception:
        logger.critical("the page %s failed, by a bug in celery-aws", path, exc_info=True)
        return _refusal(HTTPStatus.INTERNAL_SERVER_ERROR)


def _refusal(status: HTTPStatus) -> Answer:
    return Answer(body=f"{status.phrase}\n".encode(), status=status)


def _close_inherited() -> None:
    for endpoint in list(_endpoints):
        endpoint.close_inherited()


if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(after_in_child=_close_inherited)
