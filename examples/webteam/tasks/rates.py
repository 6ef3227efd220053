"""Exchange rates from a partner whose service is often down."""

from typing import Any

from examples.webteam.app import app

FAILURES = 2


class PartnerDownError(Exception):
    """The partner answered with an error; it may be back in a moment."""


# Waits 1 s, then 2 s, then 4 s. Jitter is off only so that the demo shows it.
@app.task(
    bind=True,
    autoretry_for=(PartnerDownError,),
    retry_backoff=True,
    retry_jitter=False,
    max_retries=4,
)
def fetch_rate(self: Any, currency: str) -> dict[str, Any]:
    """Return the rate, and how often it was asked for; fails the first two times."""
    if self.request.retries < FAILURES:
        raise PartnerDownError(f"503 from the partner for {currency}")
    return {"currency": currency, "rate": 161.4, "attempts": self.request.retries + 1}
