"""Connections that botocore has opened, and messages over them without urllib3 in between.

botocore's HTTP session connects, verifies certificates, sets deadlines and goes through proxies;
only a connection of its pool that is open and idle is used here. urllib3's part of a request and
that of botocore's session cost 150 us of CPU; writing the message and reading the answer with
``http.client``, as urllib3 does, 60. What goes wrong is told as botocore tells it
(botocore/httpsession.py ``send``).
"""

import ssl
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPException, HTTPResponse
from typing import Any

from botocore.awsrequest import AWSResponse
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError, SSLError

from celery_aws.aws.wire.template import WireRequest

#: Where botocore's own connections are defined.
_CONNECTIONS = AWSResponse.__module__


class Line:
    """The way to one URL over the connections of one client; safe to share between threads."""

    def __init__(self, session: Any, url: str) -> None:
        """Take botocore's HTTP session.

        Raises:
            AttributeError: it is another than the one that is known here.
        """
        self._session = session
        self._url = url
        self._manager: Any = None
        if session._proxy_config.proxy_url_for(url) is None:  # noqa: SLF001
            self._manager = session._manager  # noqa: SLF001
        # Not held: a session that is closed lets go of its pool, which then closes.
        self._pool: weakref.ref[Any] | None = None
        pool = self._pool_of_session()
        if pool is not None:
            # Now, and not when an answer is there and its connection cannot be put back.
            _ = pool._get_conn, pool._put_conn  # noqa: SLF001

    def send(self, request: WireRequest) -> AWSResponse:
        """Send a request, once, and return the answer, read to its end.

        Raises:
            HTTPClientError: as botocore's session raises it.
        """
        pool = self._pool_of_session()
        connection = None if pool is None else _open_connection(pool)
        if connection is None:
            return self._session.send(request.prepared())
        is_reusable = False
        try:
            answer, is_reusable = self._exchange(connection.sock, request)
        finally:
            # Also if the thread or greenlet is killed: half an answer must not be read by another.
            if not is_reusable:
                connection.close()
            pool._put_conn(connection)  # noqa: SLF001
        return answer

    def _pool_of_session(self) -> Any:
        """Return urllib3's pool of connections, or None if a proxy is in between."""
        pool = None if self._pool is None else self._pool()
        if pool is None and self._manager is not None:
            pool = self._manager.connection_from_url(self._url)
            self._pool = weakref.ref(pool)
        return pool

    def _exchange(self, sock: Any, request: WireRequest) -> tuple[AWSResponse, bool]:
        with self._told_as_botocore_does(request):
            # Who closes while it is still being written to may have answered already.
            with suppress(BrokenPipeError, ConnectionResetError):
                self._write(sock, request)
            with HTTPResponse(sock, method="POST") as response:
                response.begin()
                content = response.read()
        answer = answer_of(request.url, response.status, response.headers, content)
        return answer, not response.will_close

    def _write(self, sock: Any, request: WireRequest) -> None:
        try:
            sock.sendall(request.message())
        except TimeoutError as error:
            raise ConnectionClosedError(error=error, endpoint_url=request.url) from error

    @contextmanager
    def _told_as_botocore_does(self, request: WireRequest) -> Iterator[None]:
        try:
            yield
        except TimeoutError as error:
            raise ReadTimeoutError(endpoint_url=request.url, error=error) from error
        except ssl.SSLError as error:
            raise SSLError(endpoint_url=request.url, error=error) from error
        except (OSError, HTTPException) as error:
            raise ConnectionClosedError(error=error, endpoint_url=request.url) from error


def _open_connection(pool: Any) -> Any:
    connection = pool._get_conn()  # noqa: SLF001 - checks that it was not dropped
    # One of another kind is a tool's that plays recorded answers, and may have no socket.
    if type(connection).__module__ == _CONNECTIONS and connection.sock is not None:
        return connection
    pool._put_conn(connection)  # noqa: SLF001
    return None


def answer_of(url: str, status: int, headers: Any, content: bytes) -> AWSResponse:
    """Return an answer that was read as botocore's session returns one."""
    return AWSResponse(url, status, headers, _Read(content))


class _Read:
    """Content as urllib3 hands it to botocore."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self) -> Iterator[bytes]:
        yield self._content
