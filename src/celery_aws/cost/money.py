"""Dollars, shown in whatever currency somebody gives a rate for."""

from dataclasses import dataclass

#: Units of a currency for a dollar above which nobody counts hundredths.
_COARSE_RATE = 20.0


@dataclass(frozen=True, kw_only=True)
class Currency:
    """A currency, and how much of it a dollar is.

    Attributes:
        code: such as ``JPY``.
        rate: of it for one dollar, as somebody gave it.
    """

    code: str = "USD"
    rate: float = 1.0

    def amount(self, dollars: float) -> float:
        """Return dollars in this currency."""
        return dollars * self.rate

    def shown(self, dollars: float) -> str:
        """Return dollars in this currency, as people write it, without its name."""
        amount = self.amount(dollars)
        return f"{amount:,.0f}" if self.rate >= _COARSE_RATE else f"{amount:,.2f}"


DOLLARS = Currency()
