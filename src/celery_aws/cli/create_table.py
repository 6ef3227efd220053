"""``celery -A proj aws create-table``: the results table, before the first worker runs.

For teams whose workers may not create tables. Which table, where and how long results live is
the app's configuration; this command has no options of its own for it.
"""

import json

import click

from celery_aws.cli.app import celery_app


@click.command("create-table")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.pass_context
def command(ctx: click.Context, *, yes: bool, as_json: bool) -> None:
    """Create the results table.

    It is billed on demand and drops expired results. A table that exists is left as it is.
    """
    from celery_aws import create_table  # noqa: PLC0415

    app = celery_app(ctx)
    place = app.backend.as_uri()
    click.echo(f"Results table of {place}: create it if it is missing.", err=True)
    if not yes:
        click.confirm("Go on?", abort=True, err=True)
    create_table(app)
    click.echo(json.dumps({"result_backend": place, "ready": True}) if as_json else place)
