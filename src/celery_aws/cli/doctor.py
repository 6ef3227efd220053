"""``celery -A proj aws doctor``: what is wrong with a deployment, or will be."""

import json
from typing import Final

import click

from celery_aws.cli.app import celery_app
from celery_aws.doctor import Report, Role, diagnose

_ROLES: Final[tuple[Role, ...]] = ("worker", "producer", "monitor", "migrator")


@click.command("doctor", short_help="Find what is wrong with queues, tables, rights and settings.")
@click.option(
    "--role",
    type=click.Choice(_ROLES),
    default="worker",
    show_default=True,
    help="Whose rights are looked at: of who runs tasks, who only sends them, who watches, "
    "or who runs `aws migrate`.",
)
@click.option(
    "--queue",
    "queues",
    multiple=True,
    metavar="NAME",
    help="A queue that the configuration does not name, by Celery's name. May be given again.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def command(ctx: click.Context, *, role: Role, queues: tuple[str, ...], as_json: bool) -> None:
    """Find what is wrong with queues, tables, rights and settings, or will be.

    It asks AWS with the app's own credentials and changes nothing. Each finding has a remedy.
    It exits with 0 if there is no error and no warning, with 1 if there is, and with 3 if AWS
    could not be asked at all.

    It costs nine requests, and six for each queue, three for each dead-letter queue, nine for each
    table and some six for each bucket; with ListQueues, if that is allowed, it looks for queues
    that nobody needs any more.
    """
    report = diagnose(celery_app(ctx), role=role, queues=queues)
    if as_json:
        click.echo(json.dumps(report.facts(), indent=2))
    else:
        for line in report.lines():
            click.echo(line)
    ctx.exit(_exit_code(report))


def _exit_code(report: Report) -> int:
    if not report.answered:
        return 3
    return 0 if report.healthy else 1
