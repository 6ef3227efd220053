"""Closes what lives as long as its process, when that ends."""

import atexit
import os
import weakref
from typing import Protocol


class Closable(Protocol):
    """What has something to do before its process ends."""

    def close(self) -> None:
        """Do it, within seconds."""


def close_at_exit(closable: Closable) -> None:
    """Close it when this process ends, if it is still there; a forked child does not close it.

    Args:
        closable: it is not kept alive.
    """
    reference, pid = weakref.ref(closable), os.getpid()

    def close() -> None:
        alive = reference()
        if alive is not None and os.getpid() == pid:
            alive.close()

    atexit.register(close)
