"""Which side an app's broker is."""

import pytest

from celery_aws.errors import UnsupportedError
from celery_aws.migrate.old_app import old_app
from celery_aws.migrate.opening import SIDES, driver_of, source_of, target_of
from celery_aws.migrate.sqs_source import SqsSource
from celery_aws.migrate.sqs_target import SqsTarget
from celery_aws.names import AmqpQueue
from tests.unit.cli.conftest import Shop


@pytest.mark.parametrize(
    ("url", "driver"),
    [
        ("redis://localhost:1/0", "redis"),
        ("rediss://:secret@localhost:1/0", "redis"),
        ("sentinel://localhost:1;sentinel://localhost:2", "redis"),
        ("amqp://localhost:1//", "amqp"),
        ("amqps://u:secret@localhost:1//", "amqp"),
        ("aws+sqs://", "aws"),
    ],
)
def test_the_broker_says_which_side_it_is(url: str, driver: str) -> None:
    assert driver_of(old_app(broker_url=url)) == driver


@pytest.mark.parametrize("url", ["memory://", "sqs://KEY:secret@"])
def test_other_brokers_are_refused_without_their_secrets(url: str) -> None:
    with pytest.raises(UnsupportedError, match="can be moved") as refused:
        driver_of(old_app(broker_url=url))

    assert "secret" not in str(refused.value)


def test_a_broker_that_nobody_knows_is_refused_without_its_secrets() -> None:
    with pytest.raises(UnsupportedError, match="No such transport: nosuch") as refused:
        driver_of(old_app(broker_url="nosuch://KEY:secret@host"))

    assert "secret" not in str(refused.value)


def test_in_the_middle_of_a_cutover_an_app_is_on_sqs(shop: Shop) -> None:
    shop.app.conf.broker_read_url = "redis://localhost:1/0"
    shop.app.conf.broker_write_url = "aws+sqs://KEY:very%2Fsecret@localhost:1"

    assert driver_of(shop.app) == "aws"


def test_every_side_has_its_classes(shop: Shop) -> None:
    queues = {AmqpQueue("celery"): AmqpQueue("celery")}
    for url in ("redis://localhost:1/0", "amqp://localhost:1//"):
        app = old_app(broker_url=url)
        side = SIDES[driver_of(app)]
        source = source_of(app, queues=queues, run="run-0")
        target = target_of(app, "run-0")
        names = [f"{type(each).__module__}:{type(each).__name__}" for each in (source, target)]
        assert names == [side.source, side.target]
        source.close()
        target.close()
    assert isinstance(source_of(shop.app, queues=queues, run="run-0"), SqsSource)
    assert isinstance(target_of(shop.app, "run-0", passage="p"), SqsTarget)
