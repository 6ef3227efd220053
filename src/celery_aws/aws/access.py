"""Where AWS is and who asks, as one value, made from URL, options and environment.

No request is made here; boto3 is asked only which region its own settings name.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.exceptions import BotoCoreError

from celery_aws.config.access import AccessOptions
from celery_aws.config.credentials import Credentials
from celery_aws.config.urls import Endpoint, looks_like_region
from celery_aws.errors import ConfigurationError

#: What signs requests to an emulator when nobody named a region.
LOCAL_REGION = "us-east-1"

#: Hosts of AWS's own endpoints, VPC endpoints included, in every partition.
_AWS_DOMAINS = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")

#: Seconds before the end of a role's session at which it must have been renewed.
_MANDATORY_REFRESH_SECONDS = 60

#: Seconds before that in which one thread renews it while the others go on with the old one.
_ADVISORY_REFRESH_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class AssumedRole:
    """An IAM role to assume by STS; the session is renewed before it ends.

    Attributes:
        role_arn: the role.
        duration_seconds: life of one session.
        buffer_seconds: how long before its end a session is renewed; a minute at least.
        session_name: what CloudTrail shows.
    """

    role_arn: str
    duration_seconds: int = 900
    buffer_seconds: int = 0
    session_name: str = "celery-aws"

    def __post_init__(self) -> None:
        if self.advisory_seconds >= self.duration_seconds:
            raise ConfigurationError(
                f"sts_token_buffer_time = {self.buffer_seconds}: with sessions of "
                f"{self.duration_seconds} seconds (sts_token_timeout) it must be less than "
                f"{self.duration_seconds - _ADVISORY_REFRESH_SECONDS}, or every request would "
                "renew the session",
                where="sts_token_buffer_time",
                key="sts_token_buffer_time",
            )

    @property
    def mandatory_seconds(self) -> int:
        """Seconds before its end from which on no request is made with a session."""
        return max(self.buffer_seconds, _MANDATORY_REFRESH_SECONDS)

    @property
    def advisory_seconds(self) -> int:
        """Seconds before its end from which on a session is renewed."""
        return self.mandatory_seconds + _ADVISORY_REFRESH_SECONDS


@dataclass(frozen=True, kw_only=True)
class Access:
    """Where AWS is and who asks: what all clients of one broker or backend share."""

    region: str
    endpoint_url: str | None = None
    credentials: Credentials | None = None
    role: AssumedRole | None = None
    client_config: Mapping[str, Any] = field(default_factory=dict)
    #: False sends every request through boto3.
    direct_requests: bool = True

    def key(self) -> tuple[Any, ...]:
        """Return what tells this access from another, hashable."""
        return (
            self.region,
            self.endpoint_url,
            self.credentials,
            self.role,
            repr(sorted(self.client_config.items(), key=str)),
        )


def beside(access: Access, endpoint_url: str | None = None) -> Access:
    """Return how another service is reached by who has ``access`` to one.

    Args:
        access: of the broker, to SQS.
        endpoint_url: of the other service, if the user named one. Else it is the broker's own if
            that is no endpoint of AWS: whoever works on an emulator must not reach a real account
            here. Else the service's, or that of ``AWS_ENDPOINT_URL_...``.
    """
    if endpoint_url is None and not _is_aws(access.endpoint_url):
        endpoint_url = access.endpoint_url
    return replace(access, endpoint_url=endpoint_url)


def reaches_aws(access: Access, service: str) -> bool:
    """Tell whether requests go to AWS, and not to an emulator, as far as settings say so.

    Args:
        access: of the service.
        service: ``sqs``, ``dynamodb``, ...
    """
    variables = (f"AWS_ENDPOINT_URL_{service.upper()}", "AWS_ENDPOINT_URL")
    named = [access.endpoint_url, *map(os.environ.get, variables)]
    url = next(filter(None, named), None)
    return url is None or _is_aws(url)


def region_of_host(url: str) -> str | None:
    """Return the region of an endpoint or queue URL of AWS's; None if its host names none."""
    host = urlsplit(url).hostname or ""
    domain = next((domain for domain in _AWS_DOMAINS if host.endswith(domain)), None)
    if domain is None:
        return None
    region = host.removesuffix(domain).removesuffix(".vpce").rpartition(".")[2]
    return region if looks_like_region(region) else None


def _is_aws(endpoint_url: str | None) -> bool:
    host = urlsplit(endpoint_url).hostname if endpoint_url is not None else None
    return host is not None and host.endswith(_AWS_DOMAINS)


def access_of(
    options: AccessOptions,
    *,
    credentials: Credentials | None,
    endpoint: Endpoint | None,
    regions: tuple[str | None, ...] = (),
    where: str,
) -> Access:
    """Return where a broker or backend is and who asks.

    Args:
        options: of the broker or the backend.
        credentials: of its URL, or None for boto3's default chain.
        endpoint: of its URL; ``endpoint_url`` of the options is stronger.
        regions: what else names a region, strongest first, after the option.
        where: the setting's name, for the error.

    Raises:
        ConfigurationError: no region, or a session token without a key pair.
    """
    endpoint_url = options.endpoint_url
    if endpoint_url is None and endpoint is not None:
        endpoint_url = endpoint.url(is_secure=options.is_secure)
    region = resolve_region(
        options.region,
        *regions,
        options.client_config.get("region_name"),
        endpoint_url=endpoint_url,
        where=where,
    )
    return Access(
        region=region,
        endpoint_url=endpoint_url,
        credentials=_with_token(credentials, options.session_token, where),
        role=_role_of(options),
        client_config=options.client_config,
        direct_requests=options.direct_requests,
    )


def resolve_region(*candidates: str | None, endpoint_url: str | None, where: str) -> str:
    """Return the first region that somebody named.

    Args:
        candidates: the user's settings, strongest first.
        endpoint_url: of an emulator or a VPC endpoint; alone it is enough.
        where: the setting's name, for the error.

    Raises:
        ConfigurationError: nobody named one.
    """
    for candidate in candidates:
        if candidate:
            return candidate
    # botocore itself reads AWS_DEFAULT_REGION and the profile; ECS and Lambda set AWS_REGION.
    named = os.environ.get("AWS_REGION") or _chain_region(where)
    if named:
        return named
    if endpoint_url is not None:
        return LOCAL_REGION
    raise ConfigurationError(
        f"{where}: no AWS region. Set broker_transport_options['region'] (for results, the host "
        "of the result_backend URL), AWS_REGION or AWS_DEFAULT_REGION, or a region in the AWS "
        "profile",
        where=where,
        key="region",
    )


def _chain_region(where: str) -> str | None:
    try:
        named = boto3.Session().region_name
    except BotoCoreError as error:
        raise ConfigurationError(
            f"{where}: boto3 cannot read its own settings: {error}. Check AWS_PROFILE and the "
            "files that AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE name",
            where=where,
            key="region",
        ) from error
    return None if named is None else str(named)


def _with_token(
    pair: Credentials | None, session_token: str | None, where: str
) -> Credentials | None:
    if session_token is None:
        return pair
    if pair is None:
        raise ConfigurationError(
            f"{where}: a session_token is given in the options without a key pair in the URL. "
            "Give both, or neither to use boto3's default chain",
            where=where,
            key="session_token",
        )
    return replace(pair, session_token=session_token)


def _role_of(options: AccessOptions) -> AssumedRole | None:
    if options.sts_role_arn is None:
        return None
    return AssumedRole(
        role_arn=options.sts_role_arn,
        duration_seconds=options.sts_token_timeout,
        buffer_seconds=options.sts_token_buffer_time,
    )
