"""boto3 clients: made once a process for one set of facts, never carried across a fork.

A client is safe to share between threads and unsafe to share between processes, and costs
tens of milliseconds of CPU to make. So there is one per :class:`ClientSpec` and process.
Nothing here does I/O until a client is used, except that an assumed role fetches its first
session when its client is made.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import RefreshableCredentials, create_assume_role_refresher

from celery_aws.aws.errors import translated
from celery_aws.aws.meter import process_meter
from celery_aws.config.credentials import Credentials
from celery_aws.errors import ConfigurationError
from celery_aws.process import PerProcess

#: Seconds for a TCP and TLS connect; botocore's own default is 60.
CONNECT_TIMEOUT_SECONDS = 5.0

#: Seconds for an answer, long polls aside; botocore's own default is 60.
READ_TIMEOUT_SECONDS = 10.0

#: Idle connections kept for one client: a worker on many queues polls each on one of its own,
#: and a threads pool stores results from every thread.
MAX_POOL_CONNECTIONS = 100

#: What signs requests to an emulator when nobody named a region.
LOCAL_REGION = "us-east-1"

#: Seconds before the end of a role's session at which it must have been renewed.
_MANDATORY_REFRESH_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class AssumedRole:
    """An IAM role to assume by STS; the session is renewed before it ends."""

    role_arn: str
    duration_seconds: int = 900
    buffer_seconds: int = 0
    session_name: str = "celery-aws"


@dataclass(frozen=True, kw_only=True)
class Access:
    """Where AWS is and who asks: what all clients of one broker or backend share."""

    region: str
    endpoint_url: str | None = None
    credentials: Credentials | None = None
    role: AssumedRole | None = None
    client_config: Mapping[str, Any] = field(default_factory=dict)

    def key(self) -> tuple[Any, ...]:
        """Return what tells this access from another, hashable."""
        return (
            self.region,
            self.endpoint_url,
            self.credentials,
            self.role,
            repr(sorted(self.client_config.items(), key=str)),
        )


_clients: PerProcess[tuple[Any, ...], Any] = PerProcess()


def client_for(
    service: str,
    access: Access,
    *,
    read_timeout_seconds: float = READ_TIMEOUT_SECONDS,
    attempts: int = 3,
) -> Any:
    """Return this process's boto3 client for ``service``.

    Args:
        service: ``sqs``, ``dynamodb``, ...
        access: where and who.
        read_timeout_seconds: deadline of one attempt's answer. ``client-config`` may ask for
            a longer one, never a shorter one: a long poll needs its time.
        attempts: how often botocore tries one call, the first included.

    Raises:
        ConfigurationError: ``client-config`` is not a botocore ``Config``.
        AwsError: the role could not be assumed.

    Costs no request, or one AssumeRole with a role.
    """
    key = (service, access.key(), read_timeout_seconds, attempts)
    return _clients.get(key, lambda: _new_client(service, access, read_timeout_seconds, attempts))


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
    named = os.environ.get("AWS_REGION") or boto3.Session().region_name
    if named:
        return str(named)
    if endpoint_url is not None:
        return LOCAL_REGION
    raise ConfigurationError(
        f"{where}: no AWS region. Set broker_transport_options['region'] (for results, the host "
        "of the result_backend URL), AWS_REGION or AWS_DEFAULT_REGION, or a region in the AWS "
        "profile",
        where=where,
        key="region",
    )


def _new_client(service: str, access: Access, read_timeout_seconds: float, attempts: int) -> Any:
    session = _session(access)
    config = _config(access.client_config, read_timeout_seconds, attempts)
    with translated("sts", "AssumeRole", access.role.role_arn if access.role else None):
        maker: Any = boto3.Session(botocore_session=session, region_name=access.region)
        return maker.client(service, endpoint_url=access.endpoint_url, config=config)


def _session(access: Access) -> Any:
    session: Any = botocore.session.Session()
    session.register("before-send", process_meter().on_before_send)
    if access.credentials is not None:
        session.set_credentials(
            access.credentials.access_key_id,
            access.credentials.secret_access_key,
            access.credentials.session_token,
        )
    if access.role is not None:
        session._credentials = _role_credentials(session, access.role, access.region)  # noqa: SLF001
    return session


def _role_credentials(session: Any, role: AssumedRole, region: str) -> Any:
    with translated("sts", "AssumeRole", role.role_arn):
        sts = session.create_client("sts", region_name=region)
        refresh = create_assume_role_refresher(
            sts,
            {
                "RoleArn": role.role_arn,
                "RoleSessionName": role.session_name,
                "DurationSeconds": role.duration_seconds,
            },
        )
        # botocore's own margin is 15 minutes, which is the whole life of the shortest session:
        # it would ask STS before every request.
        margin = max(role.buffer_seconds, _MANDATORY_REFRESH_SECONDS)
        return RefreshableCredentials.create_from_metadata(
            metadata=refresh(),
            refresh_using=refresh,
            method="sts-assume-role",
            advisory_timeout=margin + _MANDATORY_REFRESH_SECONDS,
            mandatory_timeout=margin,
        )


def _config(given: Mapping[str, Any], read_timeout_seconds: float, attempts: int) -> Config:
    ours = Config(
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        read_timeout=read_timeout_seconds,
        max_pool_connections=MAX_POOL_CONNECTIONS,
        retries={"mode": "standard", "total_max_attempts": attempts},
    )
    theirs = {
        name: max(value, read_timeout_seconds) if name == "read_timeout" else value
        for name, value in given.items()
    }
    try:
        return ours.merge(Config(**theirs))
    except (TypeError, ValueError) as error:
        raise ConfigurationError(
            f"client-config: {error}. It takes the keywords of botocore.config.Config",
            where="client-config",
        ) from error
