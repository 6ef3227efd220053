"""``celery -A proj aws provision destroy``: takes away what the app has on AWS."""

import json
from typing import Any

import click

from celery_aws.cli.app import celery_app
from celery_aws.cli.provision_options import json_option, queue_option
from celery_aws.deployment import Deployment, deployment_of
from celery_aws.provision import Remains, Services, read_remains, remove


@click.command("destroy", short_help="Delete the queues and tables of the app.")
@queue_option
@click.option("--with-messages", is_flag=True, help="Delete queues and tables that are not empty.")
@click.option(
    "--yes-destroy",
    metavar="NAME",
    help="Do not ask: NAME is queue_name_prefix, or without one the name of the app.",
)
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    *,
    queues: tuple[str, ...],
    with_messages: bool,
    yes_destroy: str | None,
    as_json: bool,
) -> None:
    """Delete the queues, dead-letter queues, inboxes and tables of the app, and what is in them.

    Stop the workers before: they would make some of it again. Lists what there is, refuses unless
    all of it is empty (--with-messages), and asks for a name to be typed. Of a bucket our lifecycle
    rules go, and the bucket itself only if it is empty and nobody else has rules in it. Predefined
    queues, and tables that are named by their ARN, stay.

    Costs two requests and one more for each queue, two and a few looks for each table, and up to
    five for a bucket.
    """
    app = celery_app(ctx)
    deployment = deployment_of(app, queues=queues)
    services = Services()
    remains = read_remains(deployment, services)
    click.echo("\n".join(_lines(remains)), err=True)
    refusals = remains.refusals(with_messages=with_messages)
    for refusal in refusals:
        click.echo(f"Refused: {refusal}", err=True)
    if not refusals and not remains.is_empty:
        _confirm(_name(app, deployment), yes_destroy)
        remove(remains, services, done=_say, say=_say)
    elif refusals:
        click.echo("Nothing was deleted.", err=True)
        if len(refusals) > len(remains.refusals(with_messages=True)):
            click.echo("--with-messages deletes what is not empty too.", err=True)
    if as_json:
        click.echo(json.dumps({**_facts(remains), "refused": refusals}, indent=2))
    ctx.exit(1 if refusals else 0)


def _name(app: Any, deployment: Deployment) -> str:
    prefix = "" if deployment.options is None else deployment.options.queue_name_prefix
    return prefix or str(app.main or "celery")


def _confirm(name: str, given: str | None) -> None:
    if given is None:
        given = click.prompt(f"Type {name} to delete all of this", err=True)
    if given != name:
        raise click.UsageError(f"{given!r} is not {name!r}: nothing was deleted")


def _say(line: str) -> None:
    click.echo(line, err=True)


def _lines(remains: Remains) -> list[str]:
    lines = [
        f"- queue {each.name} ({each.purpose}; about {each.visible} messages, {each.in_flight} in "
        f"flight, {each.delayed} delayed)"
        for each in remains.queues
    ]
    lines += [
        f"- table {each.name} ({each.kind}; about {each.items} items, "
        f"{'not empty' if each.has_items else 'empty'})"
        for each in remains.tables
    ]
    for bucket in remains.buckets:
        rules = ", ".join(bucket.rules) or "none"
        what = "deleted, it is empty" if bucket.goes else "left"
        lines.append(f"- bucket {bucket.name} ({what}; lifecycle rules of ours: {rules})")
    return lines or ["There is nothing."]


def _facts(remains: Remains) -> dict[str, Any]:
    return {
        "queues": [
            {
                "name": each.name,
                "purpose": each.purpose,
                "visible": each.visible,
                "in_flight": each.in_flight,
                "delayed": each.delayed,
            }
            for each in remains.queues
        ],
        "tables": [
            {"name": each.name, "kind": each.kind, "items": each.items, "empty": not each.has_items}
            for each in remains.tables
        ],
        "buckets": [
            {"name": each.name, "deleted": each.goes, "rules": list(each.rules)}
            for each in remains.buckets
        ],
    }
