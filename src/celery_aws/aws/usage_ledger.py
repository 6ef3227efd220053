"""What one forked process counts, in memory that the process that forked it reads.

The parent makes a ledger before each fork, the child writes into it, and nothing has to be sent:
what a child had counted is there even if it was killed. A number is stored as a whole, because it
is 8 bytes at a multiple of 8. Only the child writes, and only the parent reads.
"""

import mmap
import os
import time
from typing import Final

from celery_aws.core.request_usage import RequestUsage, UsageRow

#: Rows of a ledger; memory is used only for those that are written.
LEDGER_ROWS: Final = 320

#: Bytes of a row: two numbers, and what they count.
_ROW_BYTES: Final = 384

_NUMBER_BYTES: Final = 8
_NUMBERS_BYTES: Final = 2 * _NUMBER_BYTES
_TEXT_BYTES: Final = _ROW_BYTES - _NUMBERS_BYTES
_ROW_NUMBERS: Final = _ROW_BYTES // _NUMBER_BYTES

#: The first row has the process id of the child, and the number of rows.
_PID: Final = 0
_COUNT: Final = 1

#: Seconds after which a child that has not said who it is never was.
_CLAIM_SECONDS: Final = 60.0


class UsageLedger:
    """Shared memory of a process and one that it is about to fork."""

    def __init__(self) -> None:
        # Neither a file nor a descriptor: it goes with the last process that has it.
        self._memory = mmap.mmap(-1, (LEDGER_ROWS + 1) * _ROW_BYTES)
        self._numbers = memoryview(self._memory).cast("d")
        self._made_at = time.monotonic()

    def claim(self) -> None:
        """Say that it is this process's."""
        self._numbers[_PID] = float(os.getpid())

    def add_row(self, key: tuple[str, str, str]) -> int | None:
        """Return the place of a new row, or None if there is none left.

        Args:
            key: service, operation and resource.
        """
        place = int(self._numbers[_COUNT]) + 1
        if place > LEDGER_ROWS:
            return None
        text = "\t".join(key).encode()[:_TEXT_BYTES]
        begin = place * _ROW_BYTES + _NUMBERS_BYTES
        self._memory[begin : begin + len(text)] = text
        self._numbers[_COUNT] = float(place)
        return place

    def write(self, place: int, requests: int, units: float) -> None:
        """Write what is counted by now."""
        self._numbers[place * _ROW_NUMBERS] = float(requests)
        self._numbers[place * _ROW_NUMBERS + 1] = units

    def usage(self) -> RequestUsage:
        """Return what is written by now."""
        rows = (self._row(place + 1) for place in range(int(self._numbers[_COUNT])))
        return RequestUsage(rows=tuple(sorted(row for row in rows if row is not None)))

    @property
    def ended(self) -> bool:
        """True if nobody writes any more.

        Another process may have got the number of one that ended: then it seems to live a little
        longer, and what it counted stays where it is.
        """
        pid = int(self._numbers[_PID])
        if pid == 0:
            # The fork failed, or the child was killed at once.
            return time.monotonic() > self._made_at + _CLAIM_SECONDS
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return True  # somebody else's
        return False

    def _row(self, place: int) -> UsageRow | None:
        begin = place * _ROW_BYTES + _NUMBERS_BYTES
        text = self._memory[begin : begin + _TEXT_BYTES].rstrip(b"\0").decode(errors="replace")
        key = text.split("\t")
        if len(key) != 3:
            return None  # the processor has shown the count before the row
        requests, units = self._numbers[place * _ROW_NUMBERS : place * _ROW_NUMBERS + 2]
        return UsageRow(
            service=key[0],
            operation=key[1],
            resource=key[2],
            requests=int(requests),
            units=units,
        )


_own: UsageLedger | None = None


def own_ledger() -> UsageLedger | None:
    """Return the ledger that somebody reads what this process counts from, if anybody does."""
    return _own


def set_own_ledger(ledger: UsageLedger | None) -> None:
    """Take a ledger as this process's; in a child, before it counts anything."""
    global _own  # noqa: PLW0603
    _own = ledger
