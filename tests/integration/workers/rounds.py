"""Rounds of a test that does something at random moments: their seeds, and what came of them.

``CELERY_AWS_SOAK_ROUNDS`` says how many a soak test has, ``CELERY_AWS_SOAK_SEED`` the seed of its
first; each round has the next one. Moments come from the seed alone, so a round can be repeated.
"""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

#: Rounds in a line of summary.
_LINE_ROUNDS = 10


@dataclass(kw_only=True)
class Round:
    """What one round has shown."""

    seed: int
    #: Tasks that never ended, and tasks that ran twice with and without a good reason.
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    excused: list[str] = field(default_factory=list)
    #: Anything else that must not be.
    problems: list[str] = field(default_factory=list)
    #: Seconds until everything was back.
    back_seconds: float = 0.0
    #: How long before the kill the oldest of those that ran again with reason had ended.
    unsettled_seconds: float = 0.0

    @property
    def good(self) -> bool:
        return not (self.lost or self.doubled or self.problems)

    def __str__(self) -> str:
        words = {"lost": self.lost, "doubled": self.doubled, "problems": self.problems}
        found = "; ".join(f"{name}: {', '.join(each)}" for name, each in words.items() if each)
        return f"seed {self.seed}: {found or 'good'}; back after {self.back_seconds:.2f} s"


@dataclass
class Rounds:
    """The rounds of a test; prints a line for every ten, and one for each bad round."""

    name: str
    count: int
    done: list[Round] = field(default_factory=list)

    def seeds(self) -> Iterator[int]:
        first = int(os.environ.get("CELERY_AWS_SOAK_SEED", "1"))
        return iter(range(first, first + self.count))

    def add(self, finished: Round) -> None:
        self.done.append(finished)
        if not finished.good:
            print(f"{self.name}: {finished}", flush=True)
        if len(self.done) % _LINE_ROUNDS == 0 or len(self.done) == self.count:
            self._print("", self.done[-((len(self.done) - 1) % _LINE_ROUNDS + 1) :])
        if len(self.done) == self.count > _LINE_ROUNDS:
            self._print("in all: ", self.done)

    def bad(self) -> list[str]:
        """Return what must be empty, one text a bad round."""
        return [str(each) for each in self.done if not each.good]

    def _print(self, what: str, some: list[Round]) -> None:
        excused = sum(len(each.excused) for each in some)
        late_seconds = max(each.unsettled_seconds for each in some)
        again = f" ({excused} with reason: ended at most {late_seconds:.2f} s before the kill)"
        print(
            f"{self.name}: {what}{len(self.done)} of {self.count} rounds, "
            f"seeds {some[0].seed}-{some[-1].seed}: "
            f"{sum(len(each.lost) for each in some)} lost, "
            f"{sum(len(each.doubled) for each in some)} doubled{again if excused else ''}, "
            f"{sum(not each.good for each in some)} bad rounds, "
            f"back after at most {max(each.back_seconds for each in some):.2f} s",
            flush=True,
        )


def soak_rounds(default: int) -> int:
    """Return how many rounds a soak test has."""
    return int(os.environ.get("CELERY_AWS_SOAK_ROUNDS", default))


def sleep_until(moment: float) -> None:
    """Sleep until a moment of the monotonic clock: what is chosen at random is the time."""
    time.sleep(max(0.0, moment - time.monotonic()))
