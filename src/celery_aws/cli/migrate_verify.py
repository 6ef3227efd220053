"""``celery -A proj aws migrate verify``: whether anything is missing."""

import json
from typing import Any

import click

from celery_aws.cli.app import celery_app
from celery_aws.cli.migrate_options import OldSide, old_side_options
from celery_aws.cli.provision_options import json_option
from celery_aws.migrate.old_app import address
from celery_aws.migrate.opening import inventory_of
from celery_aws.migrate.verify import last_passage, verify_messages, with_results


@click.command("verify", short_help="Compare both sides; anything missing is an error.")
@old_side_options
@click.option(
    "--sample",
    type=click.IntRange(min=1),
    metavar="N",
    help="Compare so many results at most, instead of all.",
)
@click.option("--no-results", is_flag=True, help="Leave the results out.")
@json_option
@click.pass_context
def command(
    ctx: click.Context, *, old: OldSide, sample: int | None, no_results: bool, as_json: bool
) -> None:
    """Compare both sides, message by message and result by result.

    Everything that was ever claimed has to have a fate in the journal. What was sent has to have
    been received by a worker, or be in the schedule, or in a queue; what was set aside has to be in
    the quarantine file; the old queues have to be empty; and the new side has to have each result
    of the old one, in the same state or a later one, for as long. It exits with 1 if there is any
    difference, and with 2 if there is no journal. After a rollback SQS is the side that has to be
    empty; what was sent back cannot be followed.

    It costs one BatchGetItem for each 100 messages and each 100 results, one request for each SQS
    queue and dead-letter queue, and one Query for each MB of the schedule if something was parked.
    """
    left, entered, names = old.app(), celery_app(ctx), list(old.queues)
    if _was_rolled_back(old, entered):
        left, entered, names = entered, left, list(old.queues.values())
    inventory = inventory_of(
        left, queues=names or None, look=False, management_url=old.management_url
    )
    found = verify_messages(old.journal, inventory, entered)
    if not no_results:
        found = with_results(found, left, entered, sample=sample)
    if as_json:
        click.echo(json.dumps(found.facts(), indent=2))
    else:
        for line in found.lines():
            click.echo(line)
    ctx.exit(0 if found.clean else 1)


def _was_rolled_back(old: OldSide, new_app: Any) -> bool:
    passage = last_passage(old.journal)
    return passage is not None and passage.source == address(
        new_app.connection_for_write().as_uri()
    )
