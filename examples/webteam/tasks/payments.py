"""Payments: the ones that fail are the ones that somebody has to look at."""

from examples.webteam.app import app


class CardDeclinedError(Exception):
    """The bank said no."""


@app.task
def charge(order: int, cents: int) -> None:
    """Charge a card; the bank of this example declines everything."""
    raise CardDeclinedError(f"order {order}: {cents / 100:.2f} EUR declined by the bank")
