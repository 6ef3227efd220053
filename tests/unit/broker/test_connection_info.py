"""No way to look at a connection shows its secret."""

from typing import Any

import pytest
from kombu import Connection

from celery_aws.broker import Transport
from celery_aws.broker.connection_info import MASK, masked

KEY, SECRET = "AKIAKEY", "very/secret+text"
URL = "aws+sqs://AKIAKEY:very%2Fsecret%2Btext@localhost:4566"
OTHER = "aws+sqs://AKIAOTHER:very%2Fsecret%2Btext@localhost:4567"
SHOWN = "aws+sqs://AKIAKEY:**@localhost:4566"


def everything_shown(connection: Connection) -> str:
    return " ".join(
        [
            connection.as_uri(),
            repr(connection),
            str(connection),
            repr(connection.info()),
            repr(connection.transport),
            repr(connection.default_channel if connection.connected else None),
        ]
    )


def assert_secret_is_nowhere(connection: Connection) -> None:
    shown = everything_shown(connection)
    assert SECRET not in shown
    assert "very%2F" not in shown
    assert "very" not in shown


def test_a_url_with_a_secret() -> None:
    connection = Connection(URL)

    assert connection.as_uri() == SHOWN
    assert connection.as_uri(include_password=True) == URL
    assert connection.info()["hostname"] == SHOWN
    assert_secret_is_nowhere(connection)


def test_alternates() -> None:
    connection = Connection(f"{URL};{OTHER}")

    assert connection.as_uri() == SHOWN
    assert len(connection.info()["alternates"]) == 2
    assert_secret_is_nowhere(connection)


def test_after_a_failover() -> None:
    connection = Connection(f"{URL};{OTHER}")

    connection.switch(OTHER)

    assert connection.as_uri() == "aws+sqs://AKIAOTHER:**@localhost:4567"
    assert connection.transport.url.credentials.secret_access_key == SECRET
    assert_secret_is_nowhere(connection)


def test_a_failover_by_its_own_order() -> None:
    connection = Connection(f"{URL};{OTHER}")

    connection.maybe_switch_next()

    assert connection.as_uri() == "aws+sqs://AKIAOTHER:**@localhost:4567"
    assert_secret_is_nowhere(connection)


@pytest.mark.parametrize("transport", ["celery_aws.broker:Transport", Transport])
def test_a_plain_url_with_the_transport_named(transport: Any) -> None:
    connection = Connection(URL.removeprefix("aws+"), transport=transport)

    assert connection.as_uri() == SHOWN.removeprefix("aws+")
    assert isinstance(connection.transport, Transport)
    assert_secret_is_nowhere(connection)


def test_a_clone_can_still_connect() -> None:
    clone = Connection(URL).clone()

    assert clone.transport.url.credentials.secret_access_key == SECRET
    assert_secret_is_nowhere(clone)


def test_parts_instead_of_a_url() -> None:
    connection = Connection(
        hostname="localhost", port=4566, userid=KEY, password=SECRET, transport=Transport
    )

    assert connection.as_uri() == SHOWN
    assert connection.info()["password"] == MASK
    assert_secret_is_nowhere(connection)


def test_options_with_secrets() -> None:
    queue = {"url": "https://sqs/1/q", "access_key_id": KEY, "secret_access_key": SECRET}
    options = {"region": "eu-west-1", "predefined_queues": {"celery": queue}}
    connection = Connection("aws+sqs://", transport_options=options)

    assert_secret_is_nowhere(connection)
    shown = connection.info()["transport_options"]
    assert shown["region"] == "eu-west-1"
    assert shown["predefined_queues"]["celery"]["secret_access_key"] == MASK
    assert options["predefined_queues"] == {"celery": queue}


def test_an_alternate_that_is_no_url_of_ours_is_masked_whole() -> None:
    connection = Connection(f"{URL};amqp://guest:very@localhost")

    assert_secret_is_nowhere(connection)
    assert MASK in connection.info()["alternates"]


def test_a_secret_that_is_not_set_stays_empty() -> None:
    assert masked({"session_token": None, "region": "x"}) == {"session_token": None, "region": "x"}
