"""``celery -A proj aws dlq ...``: the app's dead letters."""

import click

from celery_aws.cli.lazy import LazyGroup

#: Commands, with the line that the overview shows.
COMMANDS = {
    "drop": "Delete dead letters for good.",
    "list": "List the dead-letter queues, with what leads to them.",
    "redrive": "Send dead letters back to the queues that they came from.",
    "show": "Show what lies in a dead-letter queue.",
}


@click.group(
    "dlq",
    cls=LazyGroup,
    short_help="Look at dead letters, send them back, or delete them.",
    commands_at={name: f"celery_aws.cli.dlq_{name}" for name in COMMANDS},
    summaries=COMMANDS,
)
def command() -> None:
    """Look at dead letters, send them back, or delete them.

    A QUEUE is named as on AWS, with the prefix or without it, or by the queue of Celery's whose
    dead letters it has.
    """
