"""What a worker's metrics are shown to: by the broker's options, or stronger by the environment."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import TypeAdapter, ValidationError

from celery_aws.config.broker import BrokerOptions
from celery_aws.config.fields import Port
from celery_aws.errors import ConfigurationError
from celery_aws.health.http import LOOPBACK
from celery_aws.health.settings import health_settings

#: The variables; a variable that is set but empty counts as not given.
PORT = "CELERY_AWS_METRICS_PORT"
ADDRESS = "CELERY_AWS_METRICS_ADDRESS"
EMF = "CELERY_AWS_METRICS_EMF"

_PORT: TypeAdapter[int] = TypeAdapter(Port)


@dataclass(frozen=True, kw_only=True)
class MetricsSettings:
    """Who is shown a worker's metrics.

    Attributes:
        port: for Prometheus; None is none.
        address: to listen on.
        health_port: on which the worker answers probes; the same port does for both.
        emf: path that documents of CloudWatch's embedded metric format are appended to, ``-`` for
            the standard output; None is none.
        emf_seconds: how often.
        opentelemetry: whether OpenTelemetry observes them.
    """

    port: int | None = None
    address: str = LOOPBACK
    health_port: int | None = None
    emf: str | None = None
    emf_seconds: float = 60.0
    opentelemetry: bool = False

    @property
    def anybody(self) -> bool:
        """True if anybody is shown anything."""
        return self.port is not None or self.emf is not None or self.opentelemetry


def metrics_settings(options: BrokerOptions, environment: Mapping[str, str]) -> MetricsSettings:
    """Return who is shown the metrics of a worker.

    Args:
        options: of the broker.
        environment: of the process.

    Raises:
        ConfigurationError: a variable makes no sense.
    """
    return MetricsSettings(
        port=_port(environment.get(PORT)) or options.metrics_port,
        address=environment.get(ADDRESS) or options.metrics_address,
        health_port=_health_port(options, environment),
        emf=environment.get(EMF) or options.metrics_emf,
        emf_seconds=options.metrics_emf_seconds,
        opentelemetry=options.metrics_opentelemetry,
    )


def _health_port(options: BrokerOptions, environment: Mapping[str, str]) -> int | None:
    try:
        return health_settings(options, environment).port
    except ValueError:
        return None  # there is no such endpoint, and who makes it has said why


def _port(text: str | None) -> int | None:
    if not text:
        return None
    try:
        return _PORT.validate_python(text)
    except ValidationError as error:
        raise ConfigurationError(
            f"{PORT}={text!r} is no TCP port: a whole number from 1 to 65535", where=PORT
        ) from error
