"""What AWS asks for a request, on demand and before tax, without any free tier.

Facts: the AWS Price List, as quoted from 2026-09-11 (SQS), 2026-09-23 (Tokyo) and 2026-10-02 to
2026-10-08 (DynamoDB, S3). They are no limits and change; :data:`READ_ON` is shown with each sum.
"""

from dataclasses import dataclass
from typing import Final

#: When the newest of the prices was read.
READ_ON: Final = "2026-10-08"

_MILLION: Final = 1_000_000
_THOUSAND: Final = 1_000


@dataclass(frozen=True, kw_only=True)
class Prices:
    """The prices of one region, in dollars.

    Attributes:
        region: whose they are.
        queue_requests: a million requests of a standard queue.
        fifo_requests: a million requests of a FIFO queue.
        write_units: a million write units.
        read_units: a million read units.
        object_puts: a thousand PutObject.
    """

    region: str
    queue_requests: float
    fifo_requests: float
    write_units: float
    read_units: float
    object_puts: float

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
            queue_requests * self.queue_requests
            + fifo_requests * self.fifo_requests
            + write_units * self.write_units
            + read_units * self.read_units
        ) / _MILLION + object_puts * self.object_puts / _THOUSAND


_US_EAST_1: Final = Prices(
    region="us-east-1",
    queue_requests=0.40,
    fifo_requests=0.50,
    write_units=0.625,
    read_units=0.125,
    object_puts=0.005,
)

_KNOWN: Final = {
    each.region: each
    for each in (
        _US_EAST_1,
        Prices(
            region="ap-northeast-1",
            queue_requests=0.40,
            fifo_requests=0.50,
            write_units=0.715,
            read_units=0.1425,
            object_puts=0.0047,
        ),
    )
}


def prices_of(region: str | None) -> Prices:
    """Return the prices of a region, or those of us-east-1: their own ``region`` tells which."""
    return _KNOWN.get(region or "", _US_EAST_1)
