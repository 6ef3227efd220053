"""``load_settings``: every source of settings in one call, the Secrets Manager secret included.

It is here and not in ``config/`` because reading a secret is an AWS request: it goes through
our own client, so that it is counted, has a deadline, may use credentials from ``.env``, and
fails with one of our errors. pydantic-settings' own source for it can do none of these, and
the error that it raises for a secret that is not JSON carries the secret.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from celery_aws.aws.access import Access, resolve_region
from celery_aws.aws.clients import client_for
from celery_aws.aws.errors import translated
from celery_aws.config.settings import Settings, check_names, readable
from celery_aws.config.variables import VariablesSource
from celery_aws.errors import (
    AccessDeniedError,
    AwsError,
    ConfigurationError,
    NotFoundError,
    TemporaryError,
)

WHERE = "AWS_SECRETS_MANAGER_SECRET_ID"

_ARN_PREFIX = "arn:"
_ARN_REGION_PART = 3


def load_settings(env_file: str | Path | None = ".env", **values: Any) -> Settings:
    """Load the settings from every source; the first that gives a value wins.

    The order is: keywords, the environment of the process, ``env_file``, and the Secrets
    Manager secret that ``secret_id`` or ``AWS_SECRETS_MANAGER_SECRET_ID`` names.

    Args:
        env_file: path of a dotenv file, from the current folder; one that does not exist is no
            error, and variables in it that are not ours are ignored. None reads no file.
        **values: settings by the names of :class:`Settings`, such as ``region="eu-west-1"``
            or ``visibility_timeout=300``; None counts as not given.

    Returns:
        The settings, with the region that boto3's chain names if no source names one.

    Raises:
        ConfigurationError: a value is wrong, a pair of credentials is half given, no region is
            named, or the secret cannot be used; the text names the variable and the remedy.
        AwsError: Secrets Manager could not be reached.

    Costs no request, or one GetSecretValue if a secret is named.
    """
    check_names(values)
    settings = _read(env_file, {name: value for name, value in values.items() if value is not None})
    if settings.secret_id is not None:
        settings = _over_secret(settings, settings.secret_id)
    settings.credentials()  # half a pair is found out now, not when a worker starts
    region = resolve_region(settings.region, endpoint_url=_endpoint(settings), where="AWS_REGION")
    return settings.model_copy(update={"region": region})


def _endpoint(settings: Settings) -> str | None:
    return settings.endpoint_url or settings.sqs_endpoint_url or settings.dynamodb_endpoint_url


def _read(env_file: str | Path | None, values: Mapping[str, Any]) -> Settings:
    try:
        return Settings(_env_file=env_file, **values)
    except ValidationError as error:
        raise readable(error) from None
    except (OSError, UnicodeDecodeError) as error:
        # Not chained: a UnicodeDecodeError carries what it could not decode.
        raise ConfigurationError(
            f"env_file: {str(env_file)!r} cannot be read as UTF-8 text "
            f"({type(error).__name__}). Check its permissions and encoding",
            where="env_file",
        ) from None


def _over_secret(settings: Settings, secret_id: str) -> Settings:
    secret = _secret_variables(settings, secret_id)
    weaker = VariablesSource(Settings, secret)()
    stronger = settings.model_dump(include=settings.model_fields_set)
    return _read(None, {**weaker, **stronger})


def _secret_variables(settings: Settings, secret_id: str) -> Mapping[str, Any]:
    try:
        with translated("secretsmanager", "GetSecretValue", secret_id):
            client = client_for("secretsmanager", _secret_access(settings, secret_id))
            text = client.get_secret_value(SecretId=secret_id).get("SecretString")
    except TemporaryError:
        raise
    except AwsError as error:
        raise ConfigurationError(f"{WHERE}: {_refusal(error, secret_id)}", where=WHERE) from error
    return _parsed(text, secret_id)


def _secret_access(settings: Settings, secret_id: str) -> Access:
    region = resolve_region(
        _region_of_arn(secret_id),
        settings.region,
        endpoint_url=settings.endpoint_url,
        where="AWS_REGION",
    )
    return Access(
        region=region, endpoint_url=settings.endpoint_url, credentials=_whole_pair(settings)
    )


def _whole_pair(settings: Settings) -> Any:
    try:
        return settings.credentials()
    except ConfigurationError:
        return None  # the other half may be in the secret


def _region_of_arn(secret_id: str) -> str | None:
    parts = secret_id.split(":")
    is_arn = secret_id.startswith(_ARN_PREFIX) and len(parts) > _ARN_REGION_PART
    return parts[_ARN_REGION_PART] if is_arn else None


def _refusal(error: AwsError, secret_id: str) -> str:
    if isinstance(error, NotFoundError):
        return (
            f"there is no secret {secret_id!r} in this account and region. Check the name and "
            f"AWS_REGION, or create it as a JSON object with these variables"
        )
    if isinstance(error, AccessDeniedError):
        return (
            f"no permission to read {secret_id!r}. Grant secretsmanager:GetSecretValue on it "
            "(and kms:Decrypt on its key, if it is not the default one) to the role or user in use"
        )
    return f"{secret_id!r} cannot be read. {error}"


def _parsed(text: Any, secret_id: str) -> Mapping[str, Any]:
    try:
        value = json.loads(text)
    except (TypeError, ValueError):
        value = None
    if not isinstance(value, dict):
        # Nothing of it is shown or chained: the error of json carries the whole text.
        raise ConfigurationError(
            f"{WHERE}: {secret_id!r} is not a JSON object. Store it as key/value pairs, such as "
            '{"AWS_ACCESS_KEY": "...", "AWS_SECRET_KEY": "..."}',
            where=WHERE,
        )
    return value
