"""``celery -A proj aws migrate ...``: from Redis or RabbitMQ to SQS and DynamoDB, and back."""

import click

from celery_aws.cli.lazy import LazyGroup

#: Commands, with the line that the overview shows.
COMMANDS = {
    "plan": "Show what will be moved, copied and left, and what blocks.",
    "rollback": "Move everything back.",
    "run": "Move the messages and copy the results.",
    "status": "Show what is left on the old side, and whether to go on.",
    "verify": "Compare both sides; anything missing is an error.",
}


@click.group(
    "migrate",
    cls=LazyGroup,
    short_help="Move from Redis or RabbitMQ, or back, losing nothing.",
    commands_at={name: f"celery_aws.cli.migrate_{name}" for name in COMMANDS},
    summaries=COMMANDS,
)
def command() -> None:
    """Move a live Celery from Redis or RabbitMQ to SQS and DynamoDB, or back, losing nothing.

    The app (-A) is the new one: its broker and result backend are where everything goes. The old
    one is named by --from or --from-config.
    """
