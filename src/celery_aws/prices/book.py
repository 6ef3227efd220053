"""Prices of the package, and those that a user has refreshed in their place.

No request: what asks AWS for prices is `cost refresh-prices`, which writes the user's file.
"""

import os
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final

from celery_aws.core.prices import PriceBook
from celery_aws.errors import ConfigurationError
from celery_aws.prices.file_format import parse_prices

#: Name of the user's file, in a folder of the package below the user's data.
FILE_NAME: Final = "prices.json"

_FOLDER: Final = "celery-aws"


@cache
def packaged_prices() -> PriceBook:
    """Return the prices that come with the package; no request."""
    text = files("celery_aws.prices").joinpath(FILE_NAME).read_text(encoding="utf-8")
    return parse_prices(text, where=FILE_NAME)


def prices_with(path: Path | None) -> PriceBook:
    """Return the package's prices, and in their place those of a file.

    Args:
        path: of the file; None is the package's prices alone.

    Raises:
        ConfigurationError: the file cannot be read, or is none of prices.
    """
    if path is None:
        return packaged_prices()
    return packaged_prices().replaced_by(prices_in(path).prices)


def known_prices() -> PriceBook:
    """Return the prices that are known here: refreshed ones in place of the package's.

    Raises:
        ConfigurationError: the user's file is none of prices.
    """
    path = user_prices_path()
    return prices_with(path if path.exists() else None)


def prices_in(path: Path) -> PriceBook:
    """Return the prices of a file alone.

    Raises:
        ConfigurationError: the file cannot be read, or is none of prices.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}", where=str(path)) from error
    return parse_prices(text, where=str(path))


def user_prices_path(environment: Mapping[str, str] | None = None) -> Path:
    """Return where `cost refresh-prices` leaves its file: below ``XDG_DATA_HOME``."""
    variables = os.environ if environment is None else environment
    home = variables.get("XDG_DATA_HOME") or ""
    # The specification: a path that is not absolute counts as none.
    base = Path(home) if Path(home).is_absolute() else Path.home() / ".local" / "share"
    return base / _FOLDER / FILE_NAME
