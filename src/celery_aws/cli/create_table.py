"""``celery -A proj aws create-table``: the results table, before the first worker runs.

For teams whose workers may not create tables. Which table, where and how long results live is
the app's configuration; this command has no options of its own for it.
"""

import json
from dataclasses import asdict

import click

from celery_aws.cli.app import celery_app


@click.command("create-table")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print what was found and done as JSON.")
@click.pass_context
def command(ctx: click.Context, *, yes: bool, as_json: bool) -> None:
    """Create the results table.

    It is billed on demand, unless result_backend says otherwise, and drops expired results. A
    table that exists is kept as it is; only its expiry is switched on if it is off.
    """
    from celery_aws import create_table  # noqa: PLC0415

    app = celery_app(ctx)
    place = app.backend.as_uri()
    click.echo(f"Will create the results table of {place}, unless it exists.", err=True)
    if not yes:
        click.confirm("Go on?", abort=True, err=True)
    report = create_table(app)
    click.echo(f"Table {report.table}: {'created' if report.created else 'exists'}.", err=True)
    click.echo(json.dumps(asdict(report)) if as_json else report.table)
