"""``celery -A proj aws cost actual``: what this month's workers have cost."""

import json
from pathlib import Path
from typing import Any

import click

from celery_aws.broker.directory import broker_access
from celery_aws.cli.app import celery_app
from celery_aws.cli.broker import broker_of, coordination_of
from celery_aws.cli.cost_options import given_currency, given_prices, money_options, prices_option
from celery_aws.core.usage_records import month_of
from celery_aws.cost.report_text import text_lines
from celery_aws.cost.spending import month_bounds, spending
from celery_aws.cost.spending_report import spending_facts, spending_sections


@click.command("actual", short_help="Show what this month's workers have cost.")
@click.option("--month", metavar="YYYY-MM", help="Another month. Default: this one, in UTC.")
@click.option(
    "--free-tier/--no-free-tier",
    default=True,
    help="Take off what AWS gives an account for nothing, or not because others use it.",
)
@prices_option
@money_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    month: str | None,
    free_tier: bool,
    prices_path: Path | None,
    currency: str | None,
    rate: float | None,
    as_json: bool,
) -> None:
    """Show what this month's workers have asked of AWS, by queue and operation, and what it costs.

    Workers write it down in the coordination table (record_usage). It has their requests only: not
    those of processes that send tasks and read results, nor storage, traffic and gateways. It exits
    with 1 if the month has cost more than monthly_budget, or will have.

    Costs one Query for each MB of records: one, up to some 64 workers.
    """
    money = given_currency(currency, rate)
    with broker_of(celery_app(ctx)) as broker:
        log = coordination_of(broker).usage
        now = broker.clock.now()
        month = month_of(now.date()) if month is None else _checked(ctx, month)
        region = broker_access(broker.url, broker.options).region
        book = given_prices(prices_path)
        found = spending(month, log.month(month), book, region, now=now, free=free_tier)
        budget = broker.options.monthly_budget
    facts = spending_facts(found, budget=budget, currency=money)
    _print(facts, text_lines(spending_sections(found, budget=budget, currency=money)), as_json)
    ctx.exit(1 if facts["over_budget"] else 0)


def _print(facts: dict[str, Any], lines: Any, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(facts, indent=2))
        return
    for line in lines:
        click.echo(line)


def _checked(ctx: click.Context, month: str) -> str:
    try:
        month_bounds(month)
    except ValueError as error:
        raise click.UsageError(f"--month {month!r} is no month such as 2026-11", ctx) from error
    return month
