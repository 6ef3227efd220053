"""The two URLs, parsed once into values; the only place that sees a secret in a URL.

Forms of the broker URL (``aws+`` may be missing: kombu cuts it off, and a plain ``sqs://``
with ``broker_transport`` is allowed)::

    aws+sqs://                          default credentials
    aws+sqs://KEY:SECRET@               percent-encoded
    aws+sqs://localhost:4566            a local endpoint, http
    aws+sqs://KEY:SECRET@eu-west-1      a host that looks like a region is one

and of the result URL::

    aws+dynamodb://@eu-west-1/table?ttl_seconds=86400
    aws+dynamodb://KEY:SECRET@localhost:8000/table?region=eu-west-1

Facts: kombu/connection.py (``Connection.__init__``, ``as_uri``), celery/app/backends.py
(``by_url``), celery/backends/dynamodb.py (what host, path and query mean).
"""

import re
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

from celery_aws.config.credentials import Credentials, credentials_or_none
from celery_aws.errors import ConfigurationError

_REGION = re.compile(r"^[a-z]{2,3}(-[a-z]+){1,3}-\d$")
_AWS_DOMAINS = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")
_SECURE_PORT = 443

_ENCODE_HINT = (
    "Percent-encode the access key and the secret ('/' as %2F, '+' as %2B, '@' as %40), for "
    "example with kombu.utils.url.safequote"
)


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """A host that answers instead of AWS's regional endpoint."""

    host: str
    port: int | None = None

    def url(self, *, is_secure: bool | None) -> str:
        """Return the endpoint's URL.

        Args:
            is_secure: True for https, False for http, None to decide by the host: AWS's own
                names and port 443 are https, everything else (an emulator) is http.
        """
        if is_secure is None:
            is_secure = self.port == _SECURE_PORT or self.host.endswith(_AWS_DOMAINS)
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = f":{self.port}" if self.port is not None else ""
        return f"{'https' if is_secure else 'http'}://{host}{port}"


@dataclass(frozen=True, kw_only=True)
class BrokerUrl:
    """What a broker URL says: who, and where if not at AWS's own endpoint."""

    scheme: str
    credentials: Credentials | None = None
    endpoint: Endpoint | None = None
    region: str | None = None

    def as_uri(self, *, include_password: bool = False, mask: str = "**") -> str:
        """Return the URL in one line, the secret masked unless asked for."""
        host = _host_text(self.endpoint, self.region)
        return f"{self.scheme}://{_userinfo(self.credentials, include_password, mask)}{host}"


@dataclass(frozen=True, kw_only=True)
class ResultUrl:
    """What a result URL says: who, where, which table, and the options of its query."""

    scheme: str
    credentials: Credentials | None = None
    endpoint: Endpoint | None = None
    region: str | None = None
    table: str | None = None
    query: dict[str, str] = field(default_factory=dict)

    def as_uri(self, *, include_password: bool = False, mask: str = "**") -> str:
        """Return the URL in one line, the secret masked unless asked for."""
        host = _host_text(self.endpoint, self.region)
        user = _userinfo(self.credentials, include_password, mask) or "@"
        query = "&".join(f"{key}={quote(value, safe='')}" for key, value in self.query.items())
        tail = f"/{self.table or ''}{'?' if query else ''}{query}"
        return f"{self.scheme}://{user}{host}{tail}"


def parse_broker_url(url: str, *, scheme: str | None = None) -> BrokerUrl:
    """Parse a broker URL.

    Args:
        url: the URL, with or without the leading ``aws+``.
        scheme: what :meth:`BrokerUrl.as_uri` shall show, if not the URL's own.

    Raises:
        ConfigurationError: another scheme, half a key pair, a path, a query, a bad port.
    """
    where = "broker_url"
    parts = _split(url, where=where, schemes=("aws+sqs", "sqs"), example="aws+sqs://")
    if parts.path.strip("/"):
        raise ConfigurationError(
            f"{where}: a path has no meaning here. {_ENCODE_HINT}; the queue prefix is "
            "broker_transport_options['queue_name_prefix']",
            where=where,
        )
    if parts.query:
        raise ConfigurationError(
            f"{where}: options do not go into this URL but into broker_transport_options",
            where=where,
        )
    endpoint, region = _host(parts, where)
    return BrokerUrl(
        scheme=scheme or parts.scheme,
        credentials=_credentials(parts, where),
        endpoint=endpoint,
        region=region,
    )


def parse_result_url(url: str) -> ResultUrl:
    """Parse a result URL.

    Raises:
        ConfigurationError: another scheme, half a key pair, a bad port, more than a table.
    """
    where = "result_backend"
    parts = _split(
        url,
        where=where,
        schemes=("aws+dynamodb", "dynamodb"),
        example="aws+dynamodb://@eu-west-1/table",
    )
    table = unquote(parts.path.strip("/"))
    if "/" in table:
        raise ConfigurationError(
            f"{where}: the path is the name of one table. {_ENCODE_HINT}", where=where
        )
    endpoint, region = _host(parts, where)
    return ResultUrl(
        scheme=parts.scheme,
        credentials=_credentials(parts, where),
        endpoint=endpoint,
        region=region,
        table=table or None,
        query=dict(parse_qsl(parts.query, keep_blank_values=True)),
    )


def looks_like_region(host: str) -> bool:
    """Tell whether ``host`` has the form of an AWS region, such as ``ap-northeast-1``."""
    return _REGION.match(host) is not None


def _split(url: str, *, where: str, schemes: tuple[str, ...], example: str) -> SplitResult:
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in schemes:
        shown = scheme if separator else "no scheme"
        raise ConfigurationError(
            f"{where}: {shown!r} is not for this package; it starts with {example!r}", where=where
        )
    # As http, or urlsplit would not look for user and port; the scheme is put back.
    parts = urlsplit(f"http://{rest}")
    bad_port = f"{where}: the port is not a number from 1 to 65535. {_ENCODE_HINT}"
    try:
        port = parts.port
    except ValueError:
        # The text after the last ':' may be part of a secret: it is not shown, nor chained.
        raise ConfigurationError(bad_port, where=where) from None
    if port == 0:
        raise ConfigurationError(bad_port, where=where)
    if "@" in parts.path or "@" in parts.query or parts.fragment:
        raise ConfigurationError(
            f"{where}: an '@' or '#' after the host. {_ENCODE_HINT}", where=where
        )
    return parts._replace(scheme=scheme)


def _credentials(parts: SplitResult, where: str) -> Credentials | None:
    return credentials_or_none(
        unquote(parts.username or "") or None, unquote(parts.password or "") or None, where=where
    )


def _host(parts: SplitResult, where: str) -> tuple[Endpoint | None, str | None]:
    host = unquote(parts.hostname or "")
    if not host:
        if parts.port is not None:
            raise ConfigurationError(f"{where}: a port without a host", where=where)
        return None, None
    if looks_like_region(host) and parts.port is None:
        return None, host
    return Endpoint(host=host, port=parts.port), None


def _userinfo(credentials: Credentials | None, include_password: bool, mask: str) -> str:
    if credentials is None:
        return ""
    secret = quote(credentials.secret_access_key, safe="") if include_password else mask
    return f"{quote(credentials.access_key_id, safe='')}:{secret}@"


def _host_text(endpoint: Endpoint | None, region: str | None) -> str:
    if endpoint is None:
        return region or ""
    port = f":{endpoint.port}" if endpoint.port is not None else ""
    return f"{endpoint.host}{port}"
