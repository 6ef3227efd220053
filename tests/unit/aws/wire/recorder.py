"""A loopback server that keeps every request as the bytes that came, and tells who signed it."""

import re
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials

from celery_aws.config.credentials import Credentials

#: What differs between two requests that are the same.
_CHANGING = re.compile(
    rb"^(X-Amz-Date|Authorization|amz-sdk-invocation-id|amz-sdk-request): [^\r]*", re.MULTILINE
)


@dataclass(frozen=True)
class Recorded:
    """One request."""

    raw: bytes

    @property
    def lasting(self) -> bytes:
        """The bytes, without signature, date, and the numbers of call and attempt."""
        return _CHANGING.sub(rb"\1: ...", self.raw)

    @property
    def body(self) -> bytes:
        return self.raw.partition(b"\r\n\r\n")[2]

    @property
    def headers(self) -> dict[str, str]:
        lines = self.raw.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
        return dict(line.split(": ", 1) for line in lines)

    def is_signed_by(self, credentials: ReadOnlyCredentials) -> bool:
        """Tell whether botocore's signer makes the same signature of it."""
        headers = self.headers
        signature = headers["Authorization"]
        scope = signature.split("Credential=")[1].split(",")[0].split("/")
        names = signature.split("SignedHeaders=")[1].split(",")[0].split(";")
        path = urlsplit(self.raw.split(b" ", 2)[1].decode()).path
        request = AWSRequest(
            "POST",
            f"http://{headers['Host']}{path}",
            headers={name: value for name, value in headers.items() if name.lower() in names},
            data=self.body,
        )
        request.context["timestamp"] = headers["X-Amz-Date"]
        signer = SigV4Auth(credentials, scope[3], scope[2])
        text = signer.string_to_sign(request, signer.canonical_request(request))
        return signature.endswith(f"Signature={signer.signature(text, request)}")


class Recorder:
    """Answers every request with the same; ``answer`` may be replaced, and empty is none."""

    def __init__(self, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        self.requests: list[Recorded] = []
        self.connections = 0
        self.answer = answer(b"{}")
        #: Close the connection after that many more answers; None is never.
        self.answers_left: int | None = None
        self.closed = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._tls = tls
        self._host = host
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []

    @property
    def url(self) -> str:
        scheme = "http" if self._tls is None else "https"
        return f"{scheme}://{self._host}:{self._listener.getsockname()[1]}"

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._sockets.append(connection)
            thread = threading.Thread(target=self._talk, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._sockets:
            with_error_ignored(connection)
        for thread in self._threads:
            thread.join()

    def _talk(self, connection: socket.socket) -> None:
        if self._tls is not None:
            try:
                connection = self._tls.wrap_socket(connection, server_side=True)
            except OSError:  # the client has refused the certificate
                return
            self._sockets.append(connection)
        with connection, connection.makefile("rb") as lines:
            while (head := _head(lines)) is not None:
                length = int(re.search(rb"content-length: (\d+)", head.lower())[1])  # type: ignore[index]
                self.requests.append(Recorded(head + lines.read(length)))
                if self.answer:
                    connection.sendall(self.answer)
                if self.answers_left is not None:
                    self.answers_left -= 1
                    if self.answers_left <= 0:
                        break
        self.closed.set()


def with_error_ignored(connection: socket.socket) -> None:
    """Shut a connection down that the other side may have closed."""
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


def answer(content: bytes, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    lines = [b"HTTP/1.1 " + status, b"Content-Type: application/x-amz-json-1.0", *headers]
    return b"\r\n".join([*lines, b"Content-Length: %d" % len(content), b"", content])


@contextmanager
def recording(tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> Iterator[Recorder]:
    recorder = Recorder(tls, host)
    thread = threading.Thread(target=recorder.serve)
    thread.start()
    try:
        yield recorder
    finally:
        recorder.close()
        thread.join()


def _head(lines: object) -> bytes | None:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        try:
            line = lines.readline()  # type: ignore[attr-defined]
        except OSError:
            return None
        if not line:
            return None
        head += line
    return head


def frozen(credentials: Credentials | None) -> ReadOnlyCredentials:
    """Return credentials as botocore's signer takes them."""
    assert credentials is not None
    return ReadOnlyCredentials(
        credentials.access_key_id, credentials.secret_access_key, credentials.session_token
    )
