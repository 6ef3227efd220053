"""``celery -A proj aws create-table``: the tables, before the first worker runs.

For teams whose workers may not create tables. Which tables, where and how long results live is
the app's configuration; this command has no options of its own for it.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields
from typing import Any

import click

from celery_aws.cli.app import celery_app
from celery_aws.cli.broker import broker_of
from celery_aws.deployment import is_ours
from celery_aws.results import our_backend, result_backend_of
from celery_aws.results.table import create_table
from celery_aws.table.coordination import CoordinationTable
from celery_aws.table.creation import TableReport


@click.command("create-table")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print what was found and done as JSON.")
@click.pass_context
def command(ctx: click.Context, *, yes: bool, as_json: bool) -> None:
    """Create the results table and the coordination table.

    The first if results are kept in DynamoDB, the second if the broker is aws+sqs and its option
    coordination_table is not off. They are billed on demand, unless result_backend says otherwise,
    and drop what has expired. A table that exists is kept as it is; only its expiry is switched
    on if it is off.
    """
    app = celery_app(ctx)
    backend = result_backend_of(app)
    with _coordination_table(app) as coordination:
        # Without either, it is create_table that says what is wrong.
        results = our_backend(app) is not None or coordination is None
        if results:
            _plan(f"results table of {backend.as_uri()}")
        if coordination is not None:
            _plan(f"coordination table {coordination.name}")
        if not yes:
            click.confirm("Go on?", abort=True, err=True)
        of_results = _created(create_table(app)) if results else None
        of_coordination = None if coordination is None else _created(coordination.create())
    if as_json:
        click.echo(json.dumps(_facts(of_results, of_coordination)))
    else:
        for report in filter(None, (of_results, of_coordination)):
            click.echo(report.table)


@contextmanager
def _coordination_table(app: Any) -> Iterator[CoordinationTable | None]:
    """Yield the app's coordination table, or None if it has none."""
    with app.connection_for_write() as connection:
        ours = is_ours(connection)
    if not ours:
        yield None
        return
    with broker_of(app) as broker:
        yield None if broker.coordination is None else broker.coordination.table


def _plan(what: str) -> None:
    click.echo(f"Will create the {what}, unless it exists.", err=True)


def _created(report: TableReport) -> TableReport:
    click.echo(f"Table {report.table}: {'created' if report.created else 'exists'}.", err=True)
    return report


def _facts(results: TableReport | None, coordination: TableReport | None) -> dict[str, Any]:
    """Return the report of the results table, as ever, and under a key of its own the other."""
    names = [field.name for field in fields(TableReport)]
    first: dict[str, Any] = dict.fromkeys(names) if results is None else asdict(results)
    return {**first, "coordination": None if coordination is None else asdict(coordination)}
