"""The commands of ``schedule``, and what all of them refuse."""

import click
import pytest
from click.testing import CliRunner

from celery_aws.cli import aws
from celery_aws.cli.schedule import COMMANDS, command
from celery_aws.errors import AccessDeniedError
from tests.unit.cli.conftest import TABLE, Shop

ARGUMENTS = {
    "list": [],
    "counts": [],
    "show": ["one"],
    "cancel": ["one", "--yes"],
    "run-now": ["one", "--yes"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_can_be_found(name: str) -> None:
    found = command.get_command(click.Context(command), name)
    assert found is not None
    assert found.name == name
    assert found.get_short_help_str(100) == COMMANDS[name]
    assert name in ARGUMENTS


def test_help_names_every_command() -> None:
    ended = CliRunner().invoke(aws, ["schedule", "--help"])
    assert ended.exit_code == 0
    for name, line in COMMANDS.items():
        assert name in ended.output
        assert line in ended.output


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_without_an_app_says_how_to_call_it(name: str) -> None:
    ended = CliRunner().invoke(aws, ["schedule", name, *ARGUMENTS[name]])
    assert ended.exit_code == 2
    assert f"celery -A proj aws schedule {name}" in ended.output


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("broker", ["memory://", "amqp://guest:secret@localhost"])
def test_another_broker_is_an_error_of_usage(shop: Shop, name: str, broker: str) -> None:
    shop.app.conf.broker_url = shop.app.conf.broker_write_url = broker
    shop.app.conf.broker_transport_options = {}
    ended = shop.schedule(name, *ARGUMENTS[name])
    assert ended.exit_code == 2
    assert "aws+sqs://" in ended.stderr
    assert broker.partition(":")[0] in ended.stderr
    assert "secret" not in ended.output


def test_a_broker_that_is_not_installed_is_another_broker(shop: Shop) -> None:
    shop.app.conf.broker_url = shop.app.conf.broker_write_url = "localhost"
    shop.app.conf.broker_transport = "no_such_package:Transport"
    ended = shop.schedule("list")
    assert ended.exit_code == 2
    assert "no_such_package:Transport" in ended.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_without_the_table_the_option_is_named(shop: Shop, name: str) -> None:
    shop.options(coordination_table=False)
    ended = shop.schedule(name, *ARGUMENTS[name])
    assert ended.exit_code == 2
    assert "broker_transport_options['coordination_table'] is off" in ended.stderr


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("creates", [True, False])
def test_before_there_is_a_table_nothing_is_parked(shop: Shop, name: str, creates: bool) -> None:
    shop.options(create_coordination_table=creates)
    ended = shop.schedule(name, *ARGUMENTS[name])
    ids_wanted = "one" in ARGUMENTS[name]
    assert ended.exit_code == (1 if ids_wanted else 0)
    assert ("one: not parked" in ended.stderr) is ids_wanted
    assert ended.stdout == ""
    assert "CreateTable" not in shop.tables.requests


@pytest.mark.parametrize("name", COMMANDS)
def test_a_refusal_of_aws_is_exit_code_3(shop: Shop, name: str) -> None:
    shop.tables.fail_next(
        "Query", AccessDeniedError("no", service="dynamodb", operation="Query", resource=TABLE)
    )
    ended = shop.schedule(name, *ARGUMENTS[name])
    assert ended.exit_code == 3
    assert f"dynamodb Query for {TABLE}" in ended.stderr
    assert "Grant the action" in ended.stderr
