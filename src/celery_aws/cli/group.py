"""The click group ``aws``: finds its commands by name, imports one when it is used.

Celery loads every group under ``celery.commands`` whenever ``celery`` is called, ``celery
worker`` included: this module must stay as cheap as click itself. Facts: celery/bin/celery.py
(``with_plugins``, ``ctx.obj``).

Exit codes: 0 fine, 1 findings or a process that failed, 2 usage or settings, 3 AWS refused.
"""

from importlib import import_module
from typing import Any

import click

from celery_aws.errors import AwsError, CeleryAwsError, ConfigurationError

#: Commands, each in a module of its own (``-`` becomes ``_``) under the name ``command``, with
#: the line that the overview shows.
COMMANDS = {
    "create-table": "Create the results table.",
    "local": "Run an AWS on this machine, for development and tests.",
}


class AwsGroup(click.Group):
    """Commands by name, imported late; the package's errors become exit codes."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the names, without importing anything."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import one command."""
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"celery_aws.cli.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the overview, without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name]) for name in self.list_commands(ctx)])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an error of the package is shown as its text."""
        try:
            return super().invoke(ctx)
        except CeleryAwsError as error:
            click.echo(f"Error: {error}", err=True)
            ctx.exit(exit_code(error))


def exit_code(error: CeleryAwsError) -> int:
    """Return what a command that failed with ``error`` exits with."""
    if isinstance(error, ConfigurationError):
        return 2
    return 3 if isinstance(error, AwsError) else 1


@click.group(cls=AwsGroup)
def aws() -> None:
    """Amazon SQS and DynamoDB for Celery."""


def main() -> None:
    """Run the group by itself, where no Celery app is at hand: the script ``celery-aws``."""
    aws(prog_name="celery-aws")
