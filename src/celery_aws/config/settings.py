"""Settings from the environment: a dozen variables that make a whole Celery configuration.

:class:`Settings` is what was given, checked, and frozen; it reads the environment and a
``.env``. The secret is read by :func:`celery_aws.load_settings`, which is also where errors
become readable. What Celery gets is made in :mod:`celery_aws.config.celery_keys`.

Names and defaults are those of the team that the project comes from; the ranges are those of
the options that the settings become.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings.sources import DotEnvSettingsSource, EnvSettingsSource

from celery_aws.config.celery_keys import celery_keys, namespaced
from celery_aws.config.credentials import Credentials
from celery_aws.config.fields import (
    Flag,
    HttpUrl,
    Seconds,
    TableNameOrOff,
    TableNameText,
    Text,
    TtlSeconds,
    VisibilityTimeout,
    WaitTime,
)
from celery_aws.config.parsing import allowed_text, shown, unknown_key
from celery_aws.config.variables import ProcessEnvironment, Variable, VariablesSource, variable_of
from celery_aws.errors import ConfigurationError


class Settings(BaseSettings):
    """What the environment says, checked and frozen. :func:`celery_aws.load_settings` makes it.

    Attributes:
        access_key: access key of a pair for Celery alone; beats every other pair.
        secret_key: its secret.
        access_key_id: the usual name of an access key. In the process environment it is left
            to boto3; from ``.env`` or a secret it goes into the URLs.
        secret_access_key: its secret.
        session_token: of temporary credentials; belongs to the usual pair if there is one.
        region: AWS region; default: boto3's chain.
        endpoint_url: answers instead of AWS's own endpoints, such as a local AWS.
        sqs_endpoint_url: the same for SQS alone; stronger.
        dynamodb_endpoint_url: the same for DynamoDB alone; stronger.
        secret_id: name or ARN of a Secrets Manager secret: a JSON object of these variables.
        visibility_timeout: seconds for which a received message is hidden from others.
        polling_interval: seconds to rest after a long poll that brought nothing.
        wait_time_seconds: seconds of one long poll.
        queue_name_prefix: put in front of every queue name.
        create_missing_queues: create a queue that does not exist, at its first use.
        table_name: name of the results table.
        ttl_seconds: life of a result; default: Celery's ``result_expires``; -1 is for ever.
        create_table: create the results table when the first result finds none, and the
            coordination table when the first task is parked.
        coordination_table: DynamoDB table for tasks that are due later than SQS can delay them;
            false is none. Default: ``celery-coordination`` behind the prefix.
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    access_key: Annotated[Text | None, Variable("AWS_ACCESS_KEY")] = None
    secret_key: Annotated[SecretStr | None, Variable("AWS_SECRET_KEY")] = None
    access_key_id: Annotated[Text | None, Variable("AWS_ACCESS_KEY_ID")] = None
    secret_access_key: Annotated[SecretStr | None, Variable("AWS_SECRET_ACCESS_KEY")] = None
    session_token: Annotated[SecretStr | None, Variable("AWS_SESSION_TOKEN")] = None
    region: Annotated[Text | None, Variable("AWS_REGION", "AWS_DEFAULT_REGION")] = None
    endpoint_url: Annotated[HttpUrl | None, Variable("AWS_ENDPOINT_URL")] = None
    sqs_endpoint_url: Annotated[HttpUrl | None, Variable("AWS_ENDPOINT_URL_SQS")] = None
    dynamodb_endpoint_url: Annotated[HttpUrl | None, Variable("AWS_ENDPOINT_URL_DYNAMODB")] = None
    secret_id: Annotated[Text | None, Variable("AWS_SECRETS_MANAGER_SECRET_ID")] = None
    visibility_timeout: Annotated[VisibilityTimeout, Variable("AWS_SQS_VISIBILITY_TIMEOUT")] = 3600
    polling_interval: Annotated[Seconds, Variable("AWS_SQS_POLLING_INTERVAL")] = 1.0
    wait_time_seconds: Annotated[WaitTime, Variable("AWS_SQS_WAIT_TIME_SECONDS")] = 15
    queue_name_prefix: Annotated[Text, Variable("AWS_SQS_QUEUE_NAME_PREFIX")] = ""
    create_missing_queues: Annotated[Flag, Variable("AWS_SQS_CREATE_MISSING_QUEUES")] = True
    table_name: Annotated[TableNameText, Variable("AWS_DYNAMODB_TABLE_NAME")] = "celery"
    ttl_seconds: Annotated[TtlSeconds | None, Variable("AWS_DYNAMODB_TTL_SECONDS")] = None
    create_table: Annotated[Flag, Variable("AWS_DYNAMODB_CREATE_TABLE")] = True
    coordination_table: Annotated[
        TableNameOrOff | None, Variable("AWS_DYNAMODB_COORDINATION_TABLE")
    ] = None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic's signature
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the sources, strongest first: keywords, process environment, ``.env``."""
        return (
            init_settings,
            ProcessEnvironment(settings_cls, _variables(env_settings)),
            VariablesSource(settings_cls, _variables(dotenv_settings)),
        )

    def credentials(self) -> Credentials | None:
        """Return the pair that goes into the URLs, or None to use boto3's default chain.

        Raises:
            ConfigurationError: one half of a pair is given; it names the variable that is not.
        """
        own = _pair(self.access_key, self.secret_key, "AWS_ACCESS_KEY", "AWS_SECRET_KEY")
        usual = _pair(
            self.access_key_id,
            self.secret_access_key,
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
        )
        pair = own or usual
        if pair is None:
            return None
        belongs = own is None or usual is None
        token = self.session_token if belongs else None
        return Credentials(
            access_key_id=pair[0],
            secret_access_key=pair[1],
            session_token=token.get_secret_value() if token is not None else None,
        )

    def celery_config(self, namespace: str | None = None) -> dict[str, Any]:
        """Return Celery's settings for this broker and these results.

        Args:
            namespace: ``"CELERY"`` gives ``CELERY_BROKER_URL`` and so on, for Django's settings
                and ``config_from_object("django.conf:settings", namespace="CELERY")``; None
                gives ``broker_url`` and so on, for ``celeryconfig.py`` and ``app.conf.update``.

        Returns:
            ``broker_url``, ``broker_transport_options``, ``result_backend`` and
            ``result_backend_transport_options``. The URLs hold the secret if one was given.

        Raises:
            ConfigurationError: one half of a pair of credentials is given.
        """
        keys = celery_keys(
            credentials=self.credentials(),
            region=self.region,
            table=self.table_name,
            broker_options={
                "endpoint_url": self.sqs_endpoint_url or self.endpoint_url,
                "visibility_timeout": self.visibility_timeout,
                "polling_interval": self.polling_interval,
                "wait_time_seconds": self.wait_time_seconds,
                "queue_name_prefix": self.queue_name_prefix,
                "create_missing_queues": self.create_missing_queues,
                "coordination_table": self.coordination_table,
                "create_coordination_table": self.create_table,
                "coordination_endpoint_url": self.dynamodb_endpoint_url,
            },
            result_options={
                "endpoint_url": self.dynamodb_endpoint_url or self.endpoint_url,
                "ttl_seconds": self.ttl_seconds,
                "create_table": self.create_table,
            },
        )
        return namespaced(keys, namespace)


def check_names(given: Mapping[str, Any]) -> None:
    """Raise :class:`ConfigurationError` for a keyword that is no setting."""
    for name in given:
        if name not in Settings.model_fields:
            raise ConfigurationError(
                unknown_key("load_settings", name, Settings.model_fields),
                where="load_settings",
                key=name,
            )


def readable(error: ValidationError) -> ConfigurationError:
    """Return pydantic's first finding as an error that names variable, value and range."""
    finding = error.errors(include_url=False)[0]
    name = str(finding["loc"][0])
    field = Settings.model_fields[name]
    variable = variable_of(field).name
    if SecretStr in (field.annotation, *getattr(field.annotation, "__args__", ())):
        return ConfigurationError(
            f"{variable}: must be text (value not shown)", where=variable, key=name
        )
    allowed = allowed_text(Settings, name)
    return ConfigurationError(
        f"{variable} = {shown(finding['input'])}: must be {allowed}", where=variable, key=name
    )


def _variables(source: PydanticBaseSettingsSource) -> Mapping[str, Any]:
    # Both of pydantic-settings' own sources have read their variables when they are made.
    if not isinstance(source, (EnvSettingsSource, DotEnvSettingsSource)):
        raise TypeError(f"{source!r} has no variables")
    return source.env_vars


def _pair(
    key: str | None, secret: SecretStr | None, key_variable: str, secret_variable: str
) -> tuple[str, str] | None:
    secret_text = secret.get_secret_value() if secret is not None else ""
    if key and secret_text:
        return key, secret_text
    if not key and not secret_text:
        return None
    given, missing = (key_variable, secret_variable) if key else (secret_variable, key_variable)
    raise ConfigurationError(
        f"{missing} is missing: {given} is given, and one is of no use without the other. Set "
        "both, or neither to use boto3's default chain (environment, profile, container or "
        "instance role)",
        where=missing,
    )
