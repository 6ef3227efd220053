"""AWS clients: made once a process for one set of facts, never carried across a fork.

A client is safe to share between threads and unsafe to share between processes, and costs
tens of milliseconds of CPU to make. So there is one per process, service and :class:`Access`.
Nothing here does I/O until a client is used, except that an assumed role fetches its first
session when its client is made.
"""

import logging
from collections.abc import Mapping
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.credentials import RefreshableCredentials, create_assume_role_refresher
from botocore.exceptions import BotoCoreError

from celery_aws.aws.access import Access, AssumedRole
from celery_aws.aws.errors import ASSUME_ROLE, translated
from celery_aws.aws.request_events import meter_session
from celery_aws.aws.wire.handover import on_before_send
from celery_aws.config.parsing import shown
from celery_aws.errors import ConfigurationError
from celery_aws.process import PerProcess

#: Seconds for a TCP and TLS connect; botocore's own default is 60.
CONNECT_TIMEOUT_SECONDS = 5.0

#: Seconds for an answer, long polls aside; botocore's own default is 60.
READ_TIMEOUT_SECONDS = 10.0

#: Idle connections kept for one client: a worker on many queues polls each on one of its own,
#: and a threads pool stores results from every thread.
MAX_POOL_CONNECTIONS = 100

#: Attempts at AssumeRole, the first included.
_STS_ATTEMPTS = 3

_clients: PerProcess[tuple[Any, ...], Any] = PerProcess()
_loaders: PerProcess[str, Any] = PerProcess()


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
            a longer one, never a shorter one (a long poll needs its time) nor for none.
        attempts: how often botocore tries one call, the first included. ``retries`` in
            ``client-config`` replaces it, except 1: that caller must hear of every failure.

    Raises:
        ConfigurationError: ``client-config`` is not a botocore ``Config``, or region or
            endpoint cannot be one.
        AwsError: the role could not be assumed.

    Costs no request, or one AssumeRole with a role.
    """
    key = (service, access.key(), read_timeout_seconds, attempts)
    return _clients.get(key, lambda: _new_client(service, access, read_timeout_seconds, attempts))


def _new_client(service: str, access: Access, read_timeout_seconds: float, attempts: int) -> Any:
    config = _config(access.client_config, read_timeout_seconds, attempts)
    session = _session(access)
    with translated(service, "CreateClient"):
        try:
            return session.create_client(
                service,
                region_name=access.region,
                endpoint_url=access.endpoint_url,
                config=config,
            )
        except ValueError as error:
            raise ConfigurationError(
                f"{service}: {str(error).rstrip('.')}. Check region ({access.region!r}) and "
                f"endpoint_url ({access.endpoint_url!r})",
                where=service,
            ) from error


def _session(access: Access) -> Any:
    _hold_back_debug_log()
    session: Any = botocore.session.Session()
    # Reading the API models is most of what a client costs: 45 ms of CPU, 8 with them at hand.
    loader = _loaders.get("loader", lambda: session.get_component("data_loader"))
    session.register_component("data_loader", loader)
    meter_session(session)
    session.register("before-send", on_before_send)
    if access.credentials is not None:
        session.set_credentials(
            access.credentials.access_key_id,
            access.credentials.secret_access_key,
            access.credentials.session_token,
        )
    if access.role is not None:
        session._credentials = _role_credentials(session, access.role, access.region)  # noqa: SLF001
    return session


def _hold_back_debug_log() -> None:
    """Keep botocore's debug log out of a worker's: it holds the session token of each request.

    ``celery worker -l DEBUG`` turns the debug log of every library on. Whoever gives the logger
    ``botocore`` a level of its own gets what that level logs.
    """
    logger = logging.getLogger("botocore")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)


def _role_credentials(session: Any, role: AssumedRole, region: str) -> Any:
    # At STS's own endpoint, or the one of AWS_ENDPOINT_URL_STS: an endpoint_url of ours is that
    # of SQS or DynamoDB, which need not answer for STS.
    with translated("sts", ASSUME_ROLE, role.role_arn):
        sts = session.create_client(
            "sts", region_name=region, config=_config({}, READ_TIMEOUT_SECONDS, _STS_ATTEMPTS)
        )
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
        return RefreshableCredentials.create_from_metadata(
            metadata=refresh(),
            refresh_using=refresh,
            method="sts-assume-role",
            advisory_timeout=role.advisory_seconds,
            mandatory_timeout=role.mandatory_seconds,
        )


def _config(given: Mapping[str, Any], read_timeout_seconds: float, attempts: int) -> Config:
    ours = Config(
        connect_timeout=min(CONNECT_TIMEOUT_SECONDS, read_timeout_seconds),
        read_timeout=read_timeout_seconds,
        max_pool_connections=MAX_POOL_CONNECTIONS,
        retries={"mode": "standard", "total_max_attempts": attempts},
    )
    theirs = dict(given)
    if "read_timeout" in theirs:
        theirs["read_timeout"] = _longer_timeout(theirs["read_timeout"], read_timeout_seconds)
    if attempts == 1:
        theirs.pop("retries", None)
    try:
        return ours.merge(Config(**theirs))
    except (TypeError, ValueError, BotoCoreError) as error:
        raise ConfigurationError(
            f"client-config: {error}. It takes the keywords of botocore.config.Config",
            where="client-config",
        ) from error


def _longer_timeout(given: Any, read_timeout_seconds: float) -> float:
    if isinstance(given, bool) or not isinstance(given, (int, float)):
        raise ConfigurationError(
            f"client-config['read_timeout'] = {shown(given)}: must be a number of seconds; "
            "without one a connection that died would never be noticed",
            where="client-config",
            key="read_timeout",
        )
    return max(given, read_timeout_seconds)
