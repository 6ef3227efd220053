"""Which of two states of one task is kept, when one is copied over the other. Pure.

A state that has ended is kept over one that has not, and a success over all: nothing else may
follow it, in Celery's backends as in ours. Of two that are equally far the one that is there stays,
so that a second copy writes nothing. Facts: celery/states.py; celery/backends/base.py
(``_store_result``).
"""

from datetime import datetime

from celery.states import READY_STATES, SUCCESS


def rank_of(status: str | None) -> int:
    """Return how far a state is; None is no state at all."""
    if status is None:
        return 0
    if status == SUCCESS:
        return 3
    return 2 if status in READY_STATES else 1


def life_seconds(now: datetime, left_milliseconds: int | None) -> int | None:
    """Return the life that ends in the second in which what is left now ends; None is for ever."""
    if left_milliseconds is None:
        return None
    ends = now.timestamp() + left_milliseconds / 1_000
    return max(0, int(ends) - int(now.timestamp()))
