"""``celery -A proj aws provision apply``: makes what is missing, and changes what is not right."""

import json
from collections.abc import Callable

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
from celery_aws.deployment import Deployment, deployment_of
from celery_aws.provision import Plan, Services, Step, apply, plan_of, read

_DONE = {"create": "created", "change": "changed"}


@click.command("apply", short_help="Make what is missing, and change what is not as it shall be.")
@queue_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_context
def command(ctx: click.Context, *, queues: tuple[str, ...], yes: bool, as_json: bool) -> None:
    """Make what is missing, and change what is not as it shall be. Deletes nothing.

    Prints the plan and asks. Interrupted at any place and run again, it goes on. What is in
    conflict is left, and the command exits with 1.

    Costs what "plan" costs, and one to five requests for a queue that is created, five to thirty
    for a table, up to six for a bucket, and one or two for a change.
    """
    deployment = deployment_of(celery_app(ctx), queues=queues)
    services = Services()
    plan = plan_of(deployment, read(deployment, services, looking_at))
    looked()
    click.echo("\n".join(plan_lines(plan)), err=True)
    if plan.to_do:
        if not yes:
            click.confirm("Go on?", abort=True, err=True)
        _apply(plan, deployment, services)
    if as_json:
        click.echo(json.dumps(plan_facts(plan), indent=2))
    ctx.exit(1 if plan.conflicts else 0)


def _apply(plan: Plan, deployment: Deployment, services: Services) -> None:
    apply(plan, deployment, services, done=_counting(len(plan.to_do)), say=_say)


def _counting(total: int) -> Callable[[Step], None]:
    number = 0

    def done(step: Step) -> None:
        nonlocal number
        number += 1
        verb = _DONE[step.verdict.value]
        click.echo(f"[{number}/{total}] {step.kind} {step.name}: {verb}", err=True)

    return done


def _say(line: str) -> None:
    click.echo(line, err=True)
