"""``celery -A proj aws migrate plan``: what a run would do, and what it would cost."""

import json

import click

from celery_aws.cli.app import celery_app
from celery_aws.cli.migrate_options import OldSide, old_side_options
from celery_aws.cli.provision_options import json_option
from celery_aws.migrate.counting import old_side_inventory
from celery_aws.migrate.estimate import Pace
from celery_aws.migrate.new_side import read_new_side
from celery_aws.migrate.plan import plan_of
from celery_aws.migrate.plan_report import plan_facts, plan_lines


@click.command("plan", short_help="Show what will be moved, copied and left, and what blocks.")
@old_side_options
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    default=Pace.threads,
    show_default=True,
    help="Of the run, for the estimate.",
)
@click.option(
    "--rate",
    type=click.FloatRange(min=0, min_open=True),
    metavar="N",
    help="Messages a second at most, for the estimate.",
)
@click.option(
    "--tasks-per-second",
    "tasks_a_second",
    type=click.FloatRange(min=0, min_open=True),
    metavar="N",
    help="What the new workers do with each queue: tells whether SQS keeps messages long enough.",
)
@click.option("--no-look", is_flag=True, help="Count messages only, and look into none.")
@click.option("--no-results", is_flag=True, help="Leave the result backend out.")
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    *,
    old: OldSide,
    threads: int,
    rate: float | None,
    tasks_a_second: float | None,
    no_look: bool,
    no_results: bool,
    as_json: bool,
) -> None:
    """Show what a run would move, copy and leave, what it would cost, and what blocks.

    Only reads, on both sides; on RabbitMQ no message is looked into. It exits with 1 if something
    blocks: then a run leaves something behind, or would lose it.

    It costs two requests to AWS for each SQS queue. From Redis it reads all that waits, and the
    names and lives of all results; --no-look and --no-results leave that out.
    """
    new_app, old_app = celery_app(ctx), old.app()
    inventory = old_side_inventory(
        old_app,
        queues=tuple(old.queues) or None,
        look=not no_look,
        results=not no_results,
        management_url=old.management_url,
    )
    # Those that are named may not be on the old side.
    targets = [
        *(old.queues.get(count.queue, count.queue) for count in inventory.queues),
        *old.queues.values(),
    ]
    plan = plan_of(
        inventory,
        read_new_side(new_app, targets),
        names=old.queues,
        pace=Pace(threads=threads, rate=rate),
        tasks_a_second=tasks_a_second,
    )
    if as_json:
        click.echo(json.dumps(plan_facts(plan), indent=2))
    else:
        for line in plan_lines(plan):
            click.echo(line)
    ctx.exit(1 if plan.blocks else 0)
