"""The click group ``aws``: its commands, and what they exit with.

Celery loads every group under ``celery.commands`` whenever ``celery`` is called, ``celery
worker`` included: this module must stay as cheap as click itself. Facts: celery/bin/celery.py
(``with_plugins``, ``ctx.obj``).

Exit codes: 0 fine, 1 findings or a process that failed, 2 usage or settings, 3 AWS refused.
"""

from typing import Any

import click

from celery_aws.cli.lazy import LazyGroup
from celery_aws.errors import AwsError, CeleryAwsError, ConfigurationError

#: Commands, each in a module of its own (``-`` becomes ``_``) under the name ``command``, with
#: the line that the overview shows.
COMMANDS = {
    "backlog": "Show how far behind the workers are, for autoscaling.",
    "canary": "Send a task, wait for its result, and say where it got stuck.",
    "cleanup": "Delete queues and bindings that others have left behind.",
    "cost": "Compare costs, and see what was spent.",
    "create-table": "Create the results table and the coordination table.",
    "dlq": "Look at dead letters, send them back, or delete them.",
    "doctor": "Find what is wrong with queues, tables, rights and settings.",
    "exporter": "Show metrics to Prometheus, CloudWatch or OpenTelemetry.",
    "flower": "Run Flower, with the queues on its broker page.",
    "health": "Tell whether the workers here are live and ready.",
    "iam": "Print what processes have to be allowed on AWS, and check it.",
    "local": "Run an AWS on this machine, for development and tests.",
    "migrate": "Move from Redis or RabbitMQ, or back, losing nothing.",
    "provision": "Make the queues, tables and buckets of the app.",
    "queues": "Show how many messages are where.",
    "schedule": "Look at parked tasks, and cancel them or let them run now.",
}


class AwsGroup(LazyGroup):
    """The package's errors become exit codes."""

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


@click.group(
    cls=AwsGroup,
    commands_at={name: f"celery_aws.cli.{name.replace('-', '_')}" for name in COMMANDS},
    summaries=COMMANDS,
)
def aws() -> None:
    """Amazon SQS and DynamoDB for Celery."""


def main() -> None:
    """Run the group by itself, where no Celery app is at hand: the script ``celery-aws``."""
    aws(prog_name="celery-aws")
