"""``celery -A proj aws schedule ...``: the tasks that wait in the coordination table.

Their etas are further away than SQS can delay them; on FIFO queues all etas are. What is due
within 15 minutes may have gone to its queue already.
"""

import click

from celery_aws.cli.lazy import LazyGroup

#: Commands, with the line that the overview shows.
COMMANDS = {
    "cancel": "Take parked tasks out for good; their results say REVOKED.",
    "counts": "Count parked tasks by the hour in which they are due.",
    "list": "List parked tasks by the time at which they are due.",
    "run-now": "Send parked tasks to their queues before their time.",
    "show": "Show everything that is known of parked tasks.",
}


@click.group(
    "schedule",
    cls=LazyGroup,
    short_help="Look at parked tasks, and cancel them or let them run now.",
    commands_at={name: f"celery_aws.cli.schedule_{name.replace('-', '_')}" for name in COMMANDS},
    summaries=COMMANDS,
)
def command() -> None:
    """Look at parked tasks, and cancel them or let them run now.

    Parked are tasks with an eta further away than SQS can delay them (15 minutes), and on FIFO
    queues all with an eta. They wait in the coordination table until then.
    """
