"""Just enough HTTP/1.1 for a proxy that must see single requests: framing, and what is asked.

Messages are read whole and kept byte for byte, so that signatures stay valid; nothing is
understood that the fault proxy does not need. Facts: RFC 9112 (sections 6 and 7: framing);
Signature Version 4 (the credential scope names the service); the AWS JSON, query and REST-XML
protocols of the Smithy specification (``X-Amz-Target``, ``Action``, form of errors,
``x-amzn-query-error``).
"""

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

#: What tells a client to go on that waits before it sends a large body.
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

#: The service in the signature of requests that carry none.
UNSIGNED = "unsigned"

_SCOPE = re.compile(r"Credential=[^,\s]*/([a-z0-9-]+)/aws4_request")

#: Namespaces of error types in JSON, from the services' models.
_ERROR_NAMESPACES = {"sqs": "com.amazonaws.sqs#", "dynamodb": "com.amazonaws.dynamodb.v20120810#"}

_LAST_INTERIM_STATUS = 199
_FIRST_SERVER_ERROR_STATUS = 500
_BODILESS_STATUSES = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)


@dataclass(frozen=True, kw_only=True)
class HttpHead:
    """The first line and the headers of a request or an answer."""

    raw: bytes
    first_line: str
    #: By lower-case name.
    headers: Mapping[str, str]

    @property
    def method(self) -> str:
        """Of a request: ``POST``."""
        return self.first_line.partition(" ")[0]

    @property
    def status(self) -> int:
        """Of an answer: 200."""
        return int(self.first_line.split(" ")[1])

    @property
    def expects_continue(self) -> bool:
        """True if the client waits for :data:`CONTINUE` before it sends the body."""
        return self.headers.get("expect", "").lower() == "100-continue"

    @property
    def chunked(self) -> bool:
        """True if the body comes in chunks."""
        return "chunked" in self.headers.get("transfer-encoding", "").lower()


@dataclass(frozen=True, kw_only=True)
class HttpRequest:
    """A whole request."""

    head: HttpHead
    body: bytes

    @property
    def raw(self) -> bytes:
        """The request as it came."""
        return self.head.raw + self.body

    @property
    def service(self) -> str:
        """The service that it is signed for, such as ``sqs``."""
        scope = _SCOPE.search(self.head.headers.get("authorization", ""))
        return UNSIGNED if scope is None else scope[1]

    @property
    def operation(self) -> str:
        """Service and operation, such as ``sqs.ReceiveMessage``.

        Where the protocol names no operation (S3), it is the method: ``s3.PUT``.
        """
        target = self.head.headers.get("x-amz-target", "").rpartition(".")[2]
        return f"{self.service}.{target or self._action() or self.head.method}"

    def _action(self) -> str:
        kind = self.head.headers.get("content-type", "")
        if not kind.startswith("application/x-www-form-urlencoded"):
            return ""
        return parse_qs(self.body.decode(errors="replace")).get("Action", [""])[0]


@dataclass(frozen=True, kw_only=True)
class HttpReply:
    """A whole answer."""

    raw: bytes
    #: True if the connection ends with it.
    closes: bool = False


async def read_head(reader: asyncio.StreamReader) -> HttpHead | None:
    """Read up to the empty line; None at the end of the connection.

    Raises:
        asyncio.IncompleteReadError: the connection ended within it.
    """
    try:
        raw = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        return None
    first_line, *lines = raw.decode("latin-1").rstrip("\r\n").split("\r\n")
    fields = (line.partition(":") for line in lines)
    headers = {name.strip().lower(): value.strip() for name, _, value in fields}
    return HttpHead(raw=raw, first_line=first_line, headers=headers)


async def read_request_body(reader: asyncio.StreamReader, head: HttpHead) -> bytes:
    """Read the body that belongs to the head of a request, framing included."""
    if head.chunked:
        return await _read_chunks(reader)
    return await reader.readexactly(int(head.headers.get("content-length", 0)))


async def read_reply(reader: asyncio.StreamReader, request: HttpRequest) -> HttpReply:
    """Read the answer to ``request``, without the interim ones before it.

    Raises:
        asyncio.IncompleteReadError: the connection ended before it was whole.
    """
    head = await read_head(reader)
    while head is not None and head.status <= _LAST_INTERIM_STATUS:
        head = await read_head(reader)
    if head is None:
        raise asyncio.IncompleteReadError(b"", None)
    closes = "close" in head.headers.get("connection", "").lower()
    if request.head.method == "HEAD" or head.status in _BODILESS_STATUSES:
        body = b""
    elif head.chunked:
        body = await _read_chunks(reader)
    elif "content-length" in head.headers:
        body = await reader.readexactly(int(head.headers["content-length"]))
    else:
        body, closes = await reader.read(), True
    return HttpReply(raw=head.raw + body, closes=closes)


def error_reply(request: HttpRequest, *, status: int, code: str, message: str) -> HttpReply:
    """Return an error as the service of ``request`` would answer it.

    Args:
        request: it tells the protocol, JSON or XML.
        status: of HTTP.
        code: AWS's error code.
        message: for people.
    """
    fault = "Receiver" if status >= _FIRST_SERVER_ERROR_STATUS else "Sender"
    headers = {"x-amzn-RequestId": "made-by-the-fault-proxy"}
    if "x-amz-target" in request.head.headers:
        kind = _ERROR_NAMESPACES.get(request.service, "") + code
        body = json.dumps({"__type": kind, "message": message})
        headers["Content-Type"] = "application/x-amz-json-1.0"
        if "x-amzn-query-mode" in request.head.headers:
            headers["x-amzn-query-error"] = f"{code};{fault}"
    else:
        body = (
            f"<ErrorResponse><Error><Type>{fault}</Type><Code>{escape(code)}</Code>"
            f"<Message>{escape(message)}</Message></Error></ErrorResponse>"
        )
        headers["Content-Type"] = "text/xml"
    return HttpReply(raw=_answer(status, headers, body.encode()))


def _answer(status: int, headers: Mapping[str, str], body: bytes) -> bytes:
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines += [f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    parts = [await reader.readuntil(b"\r\n")]
    while size := int(parts[-1].partition(b";")[0], 16):
        parts.append(await reader.readexactly(size + len(b"\r\n")))
        parts.append(await reader.readuntil(b"\r\n"))
    while parts[-1] != b"\r\n":  # trailers, up to the empty line
        parts.append(await reader.readuntil(b"\r\n"))
    return b"".join(parts)
