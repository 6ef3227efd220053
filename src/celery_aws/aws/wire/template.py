"""What a request of botocore's looks like, so that the next one of its kind can be made without it.

Nothing of a request is known here beforehand: endpoint, order of headers, user agent and scope are
those of a request that botocore has made and signed. A template is believed only if it makes that
very request again, signature included; so what is set up in another way than it knows (no signature
or another, compressed bodies, headers of a tool) has no template and stays botocore's.
"""

import re
import time
import uuid
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from botocore.awsrequest import AWSPreparedRequest, HeadersDict

from celery_aws.aws.wire.signature import Scope, Signer

_DATE = "x-amz-date"
_TOKEN = "x-amz-security-token"  # noqa: S105 - the name of a header
_AUTHORIZATION = "authorization"
_INVOCATION = "amz-sdk-invocation-id"
_ATTEMPT = "amz-sdk-request"
_LENGTH = "content-length"

#: Headers that differ from one request to the next.
_CHANGING = (_DATE, _TOKEN, _AUTHORIZATION, _INVOCATION, _LENGTH)

#: Headers that are the same for all requests of one operation, as far as anybody knows.
_LASTING = ("content-type", "user-agent", "x-amz-target", "x-amzn-query-mode", _ATTEMPT)

#: A first attempt. botocore says more in it of a later one, and may say the maximum in this.
_FIRST_ATTEMPT = "attempt=1"

_AUTHORIZATION_FORM = re.compile(
    r"AWS4-HMAC-SHA256 Credential=[^/,]+/\d{8}/([^/]+)/([^/]+)/aws4_request, "
    r"SignedHeaders=([a-z0-9;-]+), Signature=[0-9a-f]{64}"
)

#: Paths that are signed as they are.
_PLAIN_PATH = re.compile(r"/[A-Za-z0-9._~/-]*")
_PLAIN_HOST = re.compile(r"[a-z0-9.:\[\]-]+")

_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class WireRequest:
    """One request, ready to be sent."""

    url: str
    path: str
    host: str
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes = field(repr=False)

    def prepared(self) -> AWSPreparedRequest:
        """Return it as botocore's HTTP session takes it."""
        headers = {name: value.encode() for name, value in self.headers}
        return AWSPreparedRequest("POST", self.url, HeadersDict(headers), self.body, False)

    def message(self) -> bytes:
        """Return it as it goes over the wire."""
        lines = "".join(f"{name}: {value}\r\n" for name, value in self.headers)
        start = f"POST {self.path} HTTP/1.1\r\nHost: {self.host}\r\nAccept-Encoding: identity\r\n"
        return f"{start}{lines}\r\n".encode() + self.body


@dataclass(frozen=True)
class RequestTemplate:
    """Makes requests like one that botocore has made, of the same operation and endpoint."""

    url: str
    path: str
    host: str
    #: Names and values in botocore's order; the value of one that changes is None.
    headers: tuple[tuple[str, str | None], ...]
    #: Those that are signed, likewise, by their names in lower case.
    signed: tuple[tuple[str, str | None], ...]
    signer: Signer
    #: Of the credentials: an endpoint may be that of an account, and the order of headers depends
    #: on whether there is a token.
    account_id: str | None
    with_token: bool

    def fits(self, credentials: Any) -> bool:
        """Tell whether botocore would make the same kind of request with ``credentials``."""
        return self.account_id == _account_id(credentials) and self.with_token == bool(
            credentials.token
        )

    def request(
        self,
        body: bytes,
        credentials: Any,
        *,
        timestamp: str | None = None,
        invocation_id: str | None = None,
    ) -> WireRequest:
        """Return the signed request with another body.

        Args:
            body: of the request.
            credentials: botocore's frozen ones, which :meth:`fits` has found to fit.
            timestamp: of the signature; default: now.
            invocation_id: tells the attempts of one call from those of others; default: a new one.
        """
        timestamp = timestamp or time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        changing = {
            _DATE: timestamp,
            _TOKEN: credentials.token or "",
            _INVOCATION: invocation_id or str(uuid.uuid4()),
            _LENGTH: str(len(body)),
        }
        signed = {name: value or changing[name] for name, value in self.signed}
        changing[_AUTHORIZATION] = self.signer.authorization(
            credentials, timestamp, self.path, signed, body
        )
        headers = tuple(
            (name, changing[name.lower()] if value is None else value)
            for name, value in self.headers
        )
        return WireRequest(self.url, self.path, self.host, headers, body)


def template_of(request: AWSPreparedRequest, credentials: Any) -> RequestTemplate | None:
    """Return the template of a request of botocore's, or None if requests like it cannot be made.

    Args:
        request: as it goes to botocore's HTTP session, of a first attempt.
        credentials: the frozen ones that it was signed with.
    """
    headers = [(name, _text(value)) for name, value in request.headers.items()]
    by_name = {name.lower(): value for name, value in headers}
    authorization = _AUTHORIZATION_FORM.fullmatch(by_name.get(_AUTHORIZATION, ""))
    place = _place(request.url)
    if request.method != "POST" or authorization is None or place is None:
        return None
    if not _is_known(by_name):
        return None
    path, host = place
    constant = {**by_name, "host": host, **dict.fromkeys(_CHANGING)}
    region, service, names = authorization.groups()
    if not set(names.split(";")) <= {*by_name, "host"}:
        return None
    template = RequestTemplate(
        url=request.url,
        path=path,
        host=host,
        headers=tuple((name, constant[name.lower()]) for name, _ in headers),
        signed=tuple((name, constant[name]) for name in names.split(";")),
        signer=Signer(Scope(region, service)),
        account_id=_account_id(credentials),
        with_token=bool(credentials.token),
    )
    return template if _makes(template, request, by_name, credentials) else None


def _makes(
    template: RequestTemplate,
    request: AWSPreparedRequest,
    by_name: dict[str, str],
    credentials: Any,
) -> bool:
    again = template.request(
        request.body,
        credentials,
        timestamp=by_name[_DATE],
        invocation_id=by_name[_INVOCATION],
    )
    return again.headers == tuple((name, _text(value)) for name, value in request.headers.items())


def _is_known(by_name: dict[str, str]) -> bool:
    return (
        {*_CHANGING, _ATTEMPT} - {_TOKEN} <= set(by_name) <= {*_CHANGING, *_LASTING}
        and _FIRST_ATTEMPT in by_name[_ATTEMPT].split("; ")
        and not any("\r" in value or "\n" in value for value in by_name.values())
    )


def _place(url: str) -> tuple[str, str] | None:
    """Return path and host of a URL, as they go over the wire and into the signature."""
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        return None
    host = parts.netloc
    if port is not None and port == _DEFAULT_PORTS.get(parts.scheme):
        host = host.rpartition(":")[0]
    plain = _PLAIN_PATH.fullmatch(parts.path) and _PLAIN_HOST.fullmatch(host)
    return None if parts.query or not plain else (parts.path, host)


def _account_id(credentials: Any) -> str | None:
    # botocore before 1.35.70 or so knows none.
    return getattr(credentials, "account_id", None)


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
