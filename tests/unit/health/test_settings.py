import pytest

from celery_aws.config.broker import parse_broker_options
from celery_aws.health.judgement import Thresholds
from celery_aws.health.settings import HealthSettings, health_settings


def settings(environment: dict[str, str], **options: object) -> HealthSettings:
    return health_settings(parse_broker_options(options), environment)


def test_by_default_a_worker_tells_and_listens_nowhere() -> None:
    assert settings({}) == HealthSettings()
    assert HealthSettings().address == "127.0.0.1"


def test_options_say_otherwise_and_the_environment_is_stronger() -> None:
    options = {"health_port": 8_080, "health_address": "10.0.0.1"}
    assert settings({}, **options) == HealthSettings(address="10.0.0.1", port=8_080)
    environment = {
        "CELERY_AWS_HEALTH_PORT": "9090",
        "CELERY_AWS_HEALTH_ADDRESS": "0.0.0.0",
        "CELERY_AWS_HEALTH_LOOP_SECONDS": "30",
    }
    assert settings(environment, **options) == HealthSettings(
        address="0.0.0.0", port=9_090, thresholds=Thresholds(loop_seconds=30)
    )


@pytest.mark.parametrize("word", ["0", "off", "False", "NO"])
def test_it_can_be_switched_off_in_either_place(word: str) -> None:
    assert not settings({"CELERY_AWS_HEALTH": word}).told
    assert not settings({}, health=False).told
    assert settings({"CELERY_AWS_HEALTH": "on"}).told


@pytest.mark.parametrize("port", ["http", "0", "65536", "-1"])
def test_what_is_no_port_is_an_error(port: str) -> None:
    with pytest.raises(ValueError, match="CELERY_AWS_HEALTH_PORT"):
        settings({"CELERY_AWS_HEALTH_PORT": port})
