"""How long each kind of item lives, decided once from four settings. Pure.

Facts: celery/app/defaults.py (``result_expires``, and since 5.7 ``result_failure_expires`` and
``result_chord_expires``); celery/backends/redis.py applies the second to FAILURE only;
celery/backends/base.py keeps a chord's parts for the longer of the chord's and a result's life.
"""

from dataclasses import dataclass
from datetime import timedelta

from celery import states

#: A setting's value: seconds, or None where Celery has none.
Expires = float | timedelta | None


@dataclass(frozen=True, kw_only=True)
class Lifetimes:
    """Lives in seconds; None is for ever."""

    result: int | None
    failure: int | None
    chord: int | None

    @property
    def chord_part(self) -> int | None:
        """Life of a group, and of a result that a chord's body is still to be given."""
        if self.result is None or self.chord is None:
            return None
        return max(self.result, self.chord)

    @property
    def longest(self) -> int | None:
        """Life of what lives longest."""
        lives = (self.result, self.failure, self.chord)
        return None if None in lives else max(each for each in lives if each is not None)

    def of_state(self, state: str, *, in_chord: bool) -> int | None:
        """Return the life of a task's ``state``."""
        if in_chord:
            return self.chord_part
        return self.failure if state == states.FAILURE else self.result


def lifetimes(
    *,
    ttl_seconds: int | None,
    result_expires: Expires,
    failure_expires: Expires = None,
    chord_expires: Expires = None,
) -> Lifetimes:
    """Return the lives that the settings ask for.

    Args:
        ttl_seconds: of the result URL; None leaves it to ``result_expires``.
        result_expires: Celery's setting; None is for ever.
        failure_expires: Celery's setting; None leaves it to the other results' life.
        chord_expires: likewise, for chords.

    Zero and below is for ever everywhere, as Celery has it.
    """
    result = _seconds(result_expires if ttl_seconds is None else ttl_seconds)
    return Lifetimes(
        result=result,
        failure=result if failure_expires is None else _seconds(failure_expires),
        chord=result if chord_expires is None else _seconds(chord_expires),
    )


def _seconds(value: Expires) -> int | None:
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    return None if seconds is None or seconds <= 0 else int(seconds)
