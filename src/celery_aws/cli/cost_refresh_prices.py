"""``celery -A proj aws cost refresh-prices``: prices anew from the AWS Price List."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from celery_aws.aws.price_list import AwsPriceList
from celery_aws.cli.progress import progress
from celery_aws.core.prices import Price
from celery_aws.cost.price_list_questions import questions
from celery_aws.cost.refreshing import Refreshed, Refresher
from celery_aws.errors import ConfigurationError
from celery_aws.prices import packaged_prices
from celery_aws.prices.book import prices_in, user_prices_path
from celery_aws.prices.file_format import dump_prices

#: As good as every region that AWS tells of.
ALL = "all"

#: What the Price List is asked by.
service = AwsPriceList


@click.command("refresh-prices", short_help="Ask AWS for the prices of today.")
@click.option(
    "--region",
    "regions",
    multiple=True,
    metavar="REGION",
    help="AWS region, again for more, or `all`. Default: those whose prices are known.",
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Where to leave them. Default: where `cost compare` looks, below XDG_DATA_HOME.",
)
@click.option("--endpoint-url", metavar="URL", help="Ask it instead of AWS.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def command(
    ctx: click.Context,
    *,
    regions: tuple[str, ...],
    output: Path | None,
    endpoint_url: str | None,
    as_json: bool,
) -> None:
    """Ask the AWS Price List for the prices of today, and leave them where compare finds them.

    A price is taken only if one product matches, in dollars and in the unit that is wanted: else
    the old one is kept, with its day, and the reason is told. It exits with 0 if every price that
    was known is renewed, with 1 if some were kept, and with 3 if AWS refused.

    It costs some fifty GetProducts, which are free; it needs pricing:GetProducts and no app.
    """
    path = user_prices_path() if output is None else output
    before = prices_in(path).prices if path.exists() else ()
    book = packaged_prices().replaced_by(before)
    wanted = () if ALL in regions else regions or book.regions
    refresher = Refresher(service=service(endpoint_url), book=book, regions=wanted)
    found: list[Refreshed] = []
    with progress("asking for prices", len(questions())) as move:
        for answered in refresher.refreshed():
            found += answered
            move(1)
    newer = [each.price for each in found if each.price is not None]
    if newer:
        _write(path, _together(before, newer))
    _tell(found, path, as_json=as_json)
    kept = [each for each in found if each.price is None and each.old is not None]
    ctx.exit(1 if kept or not newer else 0)


def _together(kept: Sequence[Price], newer: Sequence[Price]) -> list[Price]:
    return list({(price.key, price.region): price for price in (*kept, *newer)}.values())


def _write(path: Path, prices: list[Price]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Never half a file where `cost compare` looks.
        beside = path.with_name(f"{path.name}.new")
        beside.write_text(dump_prices(prices), encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error}", where="--output") from error


def _tell(found: list[Refreshed], path: Path, *, as_json: bool) -> None:
    renewed = [each for each in found if each.price is not None]
    if as_json:
        facts = {"file": str(path) if renewed else None, "prices": [_facts(each) for each in found]}
        click.echo(json.dumps(facts, indent=2))
    else:
        for each in found:
            click.echo(_line(each))
    what = f"{len(renewed)} prices are in {path}" if renewed else "nothing was written"
    click.echo(f"{what}; {len(found) - len(renewed)} were not told", err=True)


def _line(each: Refreshed) -> str:
    name = f"{each.key} in {each.region}"
    if each.price is not None:
        before = "new" if each.old is None else f"{_dollars(each.old)} of {each.old.as_of}"
        return f"{name}: {_dollars(each.price)} of {each.price.as_of} (before: {before})"
    kept = "none is known" if each.old is None else f"kept {_dollars(each.old)} of {each.old.as_of}"
    return f"{name}: {kept}; {each.reason}"


def _dollars(price: Price) -> str:
    return " / ".join(f"{tier.dollars:g}" for tier in price.tiers)


def _facts(each: Refreshed) -> dict[str, Any]:
    price = each.price or each.old
    return {
        "key": each.key,
        "region": each.region,
        "renewed": each.price is not None,
        "dollars": None if price is None else [tier.dollars for tier in price.tiers],
        "per": None if price is None else price.per,
        "as_of": None if price is None else price.as_of.isoformat(),
        "source": None if price is None else price.source,
        "reason": each.reason,
    }
