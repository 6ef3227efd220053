"""``celery -A proj aws provision plan``: what is missing or not as it shall be."""

import json

import click

from celery_aws.cli.app import celery_app
from celery_aws.cli.provision_options import (
    json_option,
    looked,
    looking_at,
    plan_facts,
    plan_lines,
    queue_option,
)
from celery_aws.deployment import deployment_of
from celery_aws.provision import Services, plan_of, read


@click.command("plan", short_help="Show what is missing or not as it shall be.")
@queue_option
@json_option
@click.pass_context
def command(ctx: click.Context, *, queues: tuple[str, ...], as_json: bool) -> None:
    """Show what is missing or not as it shall be. Changes nothing.

    + is created, ~ is changed, = is left, ! is a conflict: not as it shall be, and to be mended by
    hand. Exits with 1 unless everything is left.

    Costs a request for what is missing, three for a queue, four or five for a table, three to five
    for a bucket.
    """
    deployment = deployment_of(celery_app(ctx), queues=queues)
    plan = plan_of(deployment, read(deployment, Services(), looking_at))
    looked()
    if as_json:
        click.echo(json.dumps(plan_facts(plan), indent=2))
    else:
        click.echo("\n".join(plan_lines(plan)))
    ctx.exit(0 if plan.is_empty else 1)
