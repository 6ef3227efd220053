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
    aws+dynamodb://@eu-west-1/arn:aws:dynamodb:eu-west-1:123456789012:table/table

Facts: kombu/connection.py (``Connection.__init__``, ``as_uri``), celery/app/backends.py
(``by_url``), celery/backends/dynamodb.py (what host, path and query mean).
"""

import re
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

from celery_aws.config.credentials import Credentials, credentials_or_none
from celery_aws.config.parsing import SECRET_KEYS
from celery_aws.errors import ConfigurationError

#: From the ``regionRegex`` of botocore's partitions: a first part that AWS uses, or a host such
#: as ``my-sqs-1`` would be taken for a region.
_REGION = re.compile(r"^(af|ap|ca|cn|eu|eusc|il|me|mx|sa|us)(-[a-z]+){1,3}-\d+$")
_AWS_DOMAINS = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")
_SECURE_PORT = 443

#: What may stand for a host: a name, such as one of a compose file, or an address.
_HOST = re.compile(r"^[A-Za-z0-9._:-]+$")

#: What a table of another account is named by; it has a "/" of its own.
_TABLE_ARN = "arn:"

#: What is safe to show of a scheme that is none of ours: the start of a URL may be a secret.
_SCHEME = re.compile(r"^[a-z][a-z0-9+-]{0,20}$")

_ENCODE_HINT = (
    "Percent-encode the access key and the secret ('/' as %2F, '+' as %2B, '@' as %40), for "
    "example with kombu.utils.url.safequote"
)


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """A host that answers instead of AWS's regional endpoint."""

    host: str
    port: int | None = None

    @property
    def authority(self) -> str:
        """Host and port as a URL writes them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}" if self.port is not None else host

    def url(self, *, is_secure: bool | None) -> str:
        """Return the endpoint's URL.

        Args:
            is_secure: True for https, False for http, None to decide by the host: AWS's own
                names and port 443 are https, everything else (an emulator) is http.
        """
        if is_secure is None:
            is_secure = self.port == _SECURE_PORT or self.host.endswith(_AWS_DOMAINS)
        return f"{'https' if is_secure else 'http'}://{self.authority}"


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
    if "/" in table and not table.startswith(_TABLE_ARN):
        raise ConfigurationError(
            f"{where}: the path is the name of one table. {_ENCODE_HINT}", where=where
        )
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    for key in SECRET_KEYS & query.keys():
        raise ConfigurationError(
            f"{where}: {key} in the query would be shown by 'celery report'. A session token "
            "goes into result_backend_transport_options, a key pair in front of the host",
            where=where,
            key=key,
        )
    endpoint, region = _host(parts, where)
    return ResultUrl(
        scheme=parts.scheme,
        credentials=_credentials(parts, where),
        endpoint=endpoint,
        region=region,
        table=table or None,
        query=query,
    )


def looks_like_region(host: str) -> bool:
    """Tell whether ``host`` has the form of an AWS region, such as ``ap-northeast-1``."""
    return _REGION.match(host) is not None


def _split(url: str, *, where: str, schemes: tuple[str, ...], example: str) -> SplitResult:
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in schemes:
        shown = f"the scheme {scheme!r}" if _SCHEME.match(scheme) and separator else "this text"
        raise ConfigurationError(
            f"{where}: {shown} is not for this package; it starts with {example!r}", where=where
        )
    parts = _split_rest(rest, where)
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


def _split_rest(rest: str, where: str) -> SplitResult:
    if any(character.isspace() or not character.isprintable() for character in rest):
        # urlsplit drops some of them in silence, and a secret with them.
        raise ConfigurationError(
            f"{where}: a space or another invisible character. {_ENCODE_HINT}", where=where
        )
    no_host = f"{where}: what stands between '://' and the next '/' is not a host. {_ENCODE_HINT}"
    try:
        # As http, or urlsplit would not look for user and port; the scheme is put back.
        parts = urlsplit(f"http://{rest}")
    except ValueError:
        # Not chained: its text shows what stands in front of the host.
        raise ConfigurationError(no_host, where=where) from None
    userinfo = parts.netloc.rpartition("@")[0]
    if "[" in userinfo or "]" in userinfo:
        # Python 3.10 lets them pass, and would take the start of a secret for an access key.
        raise ConfigurationError(no_host, where=where)
    return parts


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
    if not _HOST.match(host):
        raise ConfigurationError(
            f"{where}: the host is neither a name nor an address. {_ENCODE_HINT}", where=where
        )
    return Endpoint(host=host, port=parts.port), None


def _userinfo(credentials: Credentials | None, include_password: bool, mask: str) -> str:
    if credentials is None:
        return ""
    secret = quote(credentials.secret_access_key, safe="") if include_password else mask
    return f"{quote(credentials.access_key_id, safe='')}:{secret}@"


def _host_text(endpoint: Endpoint | None, region: str | None) -> str:
    if endpoint is None:
        return region or ""
    return endpoint.authority
