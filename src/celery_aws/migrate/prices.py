"""What AWS asks for the requests of a migration, on demand and before tax, without any free tier.

The figures, with source and day, are those of :mod:`celery_aws.prices`.
"""

from dataclasses import dataclass
from datetime import date
from typing import Final

from celery_aws.core.prices import Confidence, Price, Quantity, Unit
from celery_aws.prices import packaged_prices

#: The region whose prices stand in for those that are not known.
_STAND_IN: Final = "us-east-1"


@dataclass(frozen=True, kw_only=True)
class Prices:
    """The prices of one region.

    Attributes:
        queue_request: of a standard queue.
        fifo_request: of a FIFO queue.
        write_unit: of DynamoDB, on demand.
        read_unit: of DynamoDB, on demand.
        object_put: a PutObject.
    """

    queue_request: Price
    fifo_request: Price
    write_unit: Price
    read_unit: Price
    object_put: Price

    @property
    def region(self) -> str:
        """Whose they are."""
        return self.queue_request.region

    @property
    def read_on(self) -> date:
        """Of which day the newest of them is that was read, and not estimated."""
        prices: list[Price] = [getattr(self, name) for name in _KEYS]
        known = [each for each in prices if each.confidence is not Confidence.ESTIMATED]
        return max(each.as_of for each in known or prices)

    def dollars(
        self,
        *,
        queue_requests: int = 0,
        fifo_requests: int = 0,
        write_units: int = 0,
        read_units: float = 0,
        object_puts: int = 0,
    ) -> float:
        """Return what so many units cost."""
        return (
            self.queue_request.dollars(Quantity(queue_requests, Unit.REQUEST))
            + self.fifo_request.dollars(Quantity(fifo_requests, Unit.REQUEST))
            + self.write_unit.dollars(Quantity(write_units, Unit.WRITE_UNIT))
            + self.read_unit.dollars(Quantity(read_units, Unit.READ_UNIT))
            + self.object_put.dollars(Quantity(object_puts, Unit.REQUEST))
        )


_KEYS: Final = {
    "queue_request": "sqs.standard",
    "fifo_request": "sqs.fifo",
    "write_unit": "dynamodb.write",
    "read_unit": "dynamodb.read",
    "object_put": "s3.put",
}


def prices_of(region: str | None) -> Prices:
    """Return the prices of a region, or those of us-east-1: their own ``region`` tells which."""
    book = packaged_prices()
    wanted = region or _STAND_IN
    if any(book.find(key, wanted) is None for key in _KEYS.values()):
        wanted = _STAND_IN
    return Prices(**{name: book.price(key, wanted) for name, key in _KEYS.items()})
