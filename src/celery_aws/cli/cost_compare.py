"""``celery -A proj aws cost compare``: what a workload costs, on SQS and elsewhere."""

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import click

from celery_aws.cli.cost_observing import observation_options, observed
from celery_aws.cli.cost_options import (
    given_currency,
    given_prices,
    given_workload,
    money_options,
    prices_option,
    workload_options,
)
from celery_aws.cost.comparison import Comparer
from celery_aws.cost.comparison_chart import comparison_chart
from celery_aws.cost.report import sections
from celery_aws.cost.report_json import comparison_facts, observation_facts
from celery_aws.cost.report_text import markdown_lines, text_lines
from celery_aws.cost.workload import parse_workload
from celery_aws.cost.workload_file import read_workload
from celery_aws.errors import ConfigurationError


@click.command("compare", short_help="Compare what a workload costs on SQS and elsewhere.")
@workload_options
@click.option(
    "--workload",
    "workload_path",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="YAML (or JSON) with the same by their names, without dashes in front; options beat it.",
)
@observation_options
@click.option(
    "--free-tier/--no-free-tier",
    default=True,
    help="Take off what AWS gives an account for nothing, or not because others use it.",
)
@prices_option
@money_options
@click.option("--lines", is_flag=True, help="Show what every offer is made of.")
@click.option("--markdown", is_flag=True, help="Print Markdown.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--chart",
    "chart_path",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    metavar="FILE",
    help="Write a picture (SVG) of costs by tasks a month, with the break-evens.",
)
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    workload_path: Path | None,
    free_tier: bool,
    prices_path: Path | None,
    currency: str | None,
    rate: float | None,
    lines: bool,
    markdown: bool,
    as_json: bool,
    chart_path: Path | None,
    **options: Any,
) -> None:
    """Compare what a month of a workload costs: on SQS with DynamoDB, and elsewhere.

    It compares SQS (this package, and kombu's own transport), ElastiCache and Amazon MQ, with every
    store of results; says where they cross, which pair is cheapest, and plainly so if SQS is not
    it. It needs no app and asks AWS for nothing: prices are of the package, or refreshed. Only
    --measured needs the app, and costs three broadcasts to its workers.
    """
    if markdown and as_json:
        raise click.UsageError("--markdown and --json exclude each other")
    money = given_currency(currency, rate)
    raw = read_workload(workload_path) if workload_path is not None else {}
    observation = observed(ctx, options)
    seen = observation.workload if observation is not None else {}
    workload = parse_workload({**raw, **seen, **given_workload(options)}, where="workload")
    comparer = Comparer(given_prices(prices_path), free_tier=free_tier)
    comparison = comparer.compare(workload)
    measured = comparer.bill(workload, () if observation is None else observation.items)
    today = datetime.now(timezone.utc).date()
    if chart_path is not None:
        _write(chart_path, comparison_chart(comparer, comparison, currency=money).svg())
    if as_json:
        facts = comparison_facts(comparison, today=today, currency=money)
        if observation is not None:
            facts["observed"] = observation_facts(observation, measured, money)
        click.echo(json.dumps(facts, indent=2))
        return
    found = sections(
        comparison,
        today=today,
        currency=money,
        all_lines=lines,
        observation=observation,
        measured=measured,
    )
    for line in markdown_lines(found) if markdown else text_lines(found):
        click.echo(line)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error}", where="--chart") from error
