import pytest

from celery_aws.config.broker import parse_broker_options
from celery_aws.errors import ConfigurationError
from celery_aws.metrics.settings import metrics_settings


def test_nobody_is_shown_anything_unless_told() -> None:
    assert not metrics_settings(parse_broker_options({}), {}).anybody


def test_the_environment_is_stronger() -> None:
    options = parse_broker_options(
        {"metrics_port": 1, "metrics_address": "::1", "metrics_emf": "a", "health_port": 3}
    )
    assert metrics_settings(options, {"CELERY_AWS_METRICS_PORT": ""}).port == 1
    found = metrics_settings(
        options,
        {
            "CELERY_AWS_METRICS_PORT": "2",
            "CELERY_AWS_METRICS_ADDRESS": "127.0.0.1",
            "CELERY_AWS_METRICS_EMF": "-",
        },
    )
    assert (found.port, found.address, found.emf) == (2, "127.0.0.1", "-")
    assert found.health_port == 3
    assert found.anybody


@pytest.mark.parametrize("text", ["port", "0", "65536", "1.5"])
def test_a_port_that_cannot_be(text: str) -> None:
    with pytest.raises(ConfigurationError, match="CELERY_AWS_METRICS_PORT"):
        metrics_settings(parse_broker_options({}), {"CELERY_AWS_METRICS_PORT": text})
