"""``celery -A proj aws migrate verify``: whether anything is missing."""

import json

import click

from celery_aws.cli.app import celery_app
from celery_aws.cli.migrate_options import OldSide, old_side_options
from celery_aws.cli.provision_options import json_option
from celery_aws.migrate.counting import old_side_inventory
from celery_aws.migrate.verify import verify_messages, with_results


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
    difference, and with 2 if there is no journal.

    It costs one BatchGetItem for each 100 messages and each 100 results, one request for each SQS
    queue and dead-letter queue, and one Query for each MB of the schedule if something was parked.
    """
    new_app, old_app = celery_app(ctx), old.app()
    inventory = old_side_inventory(
        old_app,
        queues=tuple(old.queues) or None,
        look=False,
        results=False,
        management_url=old.management_url,
    )
    found = verify_messages(old.journal, inventory, new_app)
    if not no_results:
        found = with_results(found, old_app, new_app, sample=sample)
    if as_json:
        click.echo(json.dumps(found.facts(), indent=2))
    else:
        for line in found.lines():
            click.echo(line)
    ctx.exit(0 if found.clean else 1)
