"""How the health of a worker is told: ``broker_transport_options``, and the environment over it.

The environment is the stronger, because address and port belong to where a worker runs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from celery_aws.config.broker import BrokerOptions
from celery_aws.health.http import LOOPBACK
from celery_aws.health.judgement import PREFIX, Thresholds

#: How the environment spells that something is not wanted.
_OFF = ("0", "false", "no", "off")

_PORTS = range(1, 65_536)


@dataclass(frozen=True, kw_only=True)
class HealthSettings:
    """What a worker tells.

    Attributes:
        told: it writes its state down.
        address: of the HTTP endpoint.
        port: of the HTTP endpoint, None for none.
        thresholds: what is too long.
    """

    told: bool = True
    address: str = LOOPBACK
    port: int | None = None
    thresholds: Thresholds = field(default_factory=Thresholds)


def health_settings(options: BrokerOptions, environment: Mapping[str, str]) -> HealthSettings:
    """Return what was chosen.

    Raises:
        ValueError: a variable says something that it cannot.
    """
    told = environment.get(PREFIX.rstrip("_"), "")
    return HealthSettings(
        told=options.health and told.lower() not in _OFF,
        address=environment.get(f"{PREFIX}ADDRESS") or options.health_address,
        port=_port(environment.get(f"{PREFIX}PORT"), options.health_port),
        thresholds=Thresholds.from_environment(environment),
    )


def _port(text: str | None, otherwise: int | None) -> int | None:
    if not text:
        return otherwise
    if not text.isdecimal() or int(text) not in _PORTS:
        raise ValueError(f"{PREFIX}PORT={text!r}: a port from 1 to 65535 is wanted")
    return int(text)
