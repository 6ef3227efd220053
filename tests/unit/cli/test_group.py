import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from celery_aws.cli import aws
from celery_aws.cli.group import COMMANDS, AwsGroup, exit_code
from celery_aws.errors import (
    AccessDeniedError,
    CeleryAwsError,
    ConfigurationError,
    ProcessFailedError,
)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_can_be_found(name: str) -> None:
    command = aws.get_command(click.Context(aws), name)
    assert command is not None
    assert command.name == name
    assert command.get_short_help_str(100) == COMMANDS[name]


def test_help_names_every_command() -> None:
    result = CliRunner().invoke(aws, ["--help"])
    assert result.exit_code == 0
    for name, line in COMMANDS.items():
        assert name in result.output
        assert line in result.output


def test_loading_the_group_and_its_help_imports_nothing_heavy() -> None:
    # Celery loads it in every `celery worker`.
    program = (
        "import sys; from celery_aws.cli import aws; aws(['--help'], standalone_mode=False); "
        "print([name for name in ('boto3', 'celery_aws.local', 'celery_aws.cli.local', "
        "'pydantic') if name in sys.modules], file=sys.stderr)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ended.stderr.strip() == "[]"


def test_an_unknown_command_is_a_usage_error() -> None:
    result = CliRunner().invoke(aws, ["lokal"])
    assert result.exit_code == 2
    assert "No such command 'lokal'" in result.output


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigurationError("bad", where="port"), 2),
        (AccessDeniedError("refused"), 3),
        (ProcessFailedError("gone"), 1),
    ],
)
def test_an_error_is_its_text_and_an_exit_code(error: CeleryAwsError, code: int) -> None:
    class Failing(AwsGroup):
        def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
            def fail() -> None:
                raise error

            return click.Command(cmd_name, callback=fail)

    result = CliRunner().invoke(Failing("aws"), ["any"])
    assert result.exit_code == code == exit_code(error)
    assert result.output == f"Error: {error}\n"


def test_a_command_that_needs_an_app_says_how_to_call_it() -> None:
    result = CliRunner().invoke(aws, ["create-table", "--yes"])
    assert result.exit_code == 2
    assert "celery -A proj aws create-table" in result.output
