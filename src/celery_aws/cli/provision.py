"""``celery -A proj aws provision ...``: the queues, tables and buckets of an app."""

import click

from celery_aws.cli.lazy import LazyGroup

#: Commands, with the line that the overview shows.
COMMANDS = {
    "apply": "Make what is missing, and change what is not as it shall be.",
    "destroy": "Delete the queues and tables of the app.",
    "export": "Print the same as a CloudFormation template or as Terraform JSON.",
    "plan": "Show what is missing or not as it shall be.",
}


@click.group(
    "provision",
    cls=LazyGroup,
    short_help="Make the queues, tables and buckets of the app.",
    commands_at={name: f"celery_aws.cli.provision_{name}" for name in COMMANDS},
    summaries=COMMANDS,
)
def command() -> None:
    """Make the queues, tables and buckets of the app.

    What they are is the app's own configuration: its queues and routes, broker_transport_options,
    and result_backend. Queues that it does not name, such as those of a routing function, are named
    by --queue.
    """
