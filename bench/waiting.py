"""Waiting until workers have done what there is to do."""

import time
from collections.abc import Callable

#: Until workers have done a task more.
_STALL_SECONDS = 30.0
_LOOK_SECONDS = 0.02


def until_stored(stored: Callable[[], int], count: int) -> None:
    """Return when so many results are stored.

    Raises:
        RuntimeError: for half a minute no more were.
    """
    last, changed_at = -1, time.monotonic()
    while (found := stored()) < count:
        if found > last:
            last, changed_at = found, time.monotonic()
        elif time.monotonic() - changed_at > _STALL_SECONDS:
            raise RuntimeError(f"{found} of {count} tasks done, and no more")
        time.sleep(_LOOK_SECONDS)
