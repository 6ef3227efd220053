"""Options of ``cost``: of a workload, one for each of its fields; of prices and currencies."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from math import isfinite
from pathlib import Path
from typing import Any

import click

from celery_aws.core.prices import PriceBook
from celery_aws.cost.money import Currency
from celery_aws.cost.workload import Workload
from celery_aws.prices import known_prices, prices_with

Command = Callable[..., Any]


def workload_options(command: Command) -> Command:
    """Add an option for each field of a workload; those that are not given are None."""
    for each in reversed(fields(Workload)):
        name = each.name.replace("_", "-")
        text = _help(each.metadata["help"], each.default)
        if isinstance(each.default, bool):
            option = click.option(f"--{name}/--no-{name}", default=None, help=text)
        else:
            option = click.option(f"--{name}", metavar="VALUE", help=text)
        command = option(command)
    return command


def given_workload(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of :func:`workload_options` that were given."""
    names = {each.name for each in fields(Workload)}
    return {name: value for name, value in options.items() if name in names and value is not None}


def money_options(command: Command) -> Command:
    """Add options from which :func:`given_currency` makes a currency."""
    command = click.option(
        "--rate",
        type=click.FloatRange(min=1e-9, max=1e9),
        help="How much of --currency a dollar is.",
    )(command)
    return click.option(
        "--currency", metavar="CODE", help="Show amounts in it, such as JPY; needs --rate."
    )(command)


def given_currency(code: str | None, rate: float | None) -> Currency:
    """Return the currency that was asked for; dollars if none was.

    Raises:
        click.UsageError: a currency without a rate, or the other way round.
    """
    if code is None and rate is None:
        return Currency()
    if code is None or rate is None:
        raise click.UsageError("--currency and --rate go together: no rate is known here")
    if not isfinite(rate):
        raise click.UsageError(f"--rate {rate:g} is no number of {code} for a dollar")
    return Currency(code=code, rate=rate)


prices_option = click.option(
    "--prices",
    "prices_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A file of prices that beat those of the package. Default: the one that refresh-prices "
    "has written, if there is one.",
)


def given_prices(path: Path | None) -> PriceBook:
    """Return the prices to compare with."""
    return known_prices() if path is None else prices_with(path)


def _help(text: str, default: Any) -> str:
    if default is None or isinstance(default, bool):
        return text
    shown = getattr(default, "value", default)
    shown = f"{shown:g}" if isinstance(shown, float) else shown
    return f"{text}  [default: {shown}]"
