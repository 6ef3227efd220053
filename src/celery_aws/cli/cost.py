"""``celery -A proj aws cost ...``: what a deployment costs, here and elsewhere."""

import click

from celery_aws.cli.lazy import LazyGroup

#: Commands, with the line that the overview shows.
COMMANDS = {
    "actual": "Show what this month's workers have cost.",
    "compare": "Compare what a workload costs on SQS, ElastiCache and Amazon MQ.",
    "refresh-prices": "Ask AWS for the prices of today.",
}


@click.group(
    "cost",
    cls=LazyGroup,
    short_help="Compare costs, and see what was spent.",
    commands_at={name: f"celery_aws.cli.cost_{name.replace('-', '_')}" for name in COMMANDS},
    summaries=COMMANDS,
)
def command() -> None:
    """Compare what a workload costs on SQS and elsewhere, and see what was spent."""
