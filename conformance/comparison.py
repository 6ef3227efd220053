"""Compares what was got here with what was got on Redis. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from conformance.known import Known
from conformance.outcomes import Outcome, Result, Results, file_of

_MISSING: Final = Result(outcome=Outcome.NOT_RUN, reason="it is in the record of Redis, not here")


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Where two brokers differ.

    Attributes:
        regressions: pass on Redis, not here, and nobody knows of it.
        expected: pass on Redis, not here, and known.toml says so.
        mended: pass here though known.toml says that they do not.
        unrecorded: were run here, and Redis's record has no such test.
        gained: pass here and not on Redis.
    """

    regressions: Results
    expected: dict[str, Known]
    mended: list[str]
    unrecorded: list[str]
    gained: list[str]

    @property
    def as_expected(self) -> bool:
        """True when there is nothing that somebody has to look at."""
        return not (self.regressions or self.mended or self.unrecorded)


def compare(redis: Results, ours: Results, known: Sequence[Known]) -> Comparison:
    """Compare the tests that both have.

    Args:
        redis: those of the record that should have been run here; see :func:`expected_of`.
        ours: what was run here.
        known: which differences are known.
    """
    differing = {
        test: ours.get(test, _MISSING)
        for test, there in redis.items()
        if there.passed and not ours.get(test, _MISSING).passed
    }
    by_test = {test: _known_of(test, known) for test in [*redis, *ours]}
    return Comparison(
        regressions={
            test: here for test, here in sorted(differing.items()) if by_test[test] is None
        },
        expected={
            test: entry for test in sorted(differing) if (entry := by_test[test]) is not None
        },
        mended=sorted(
            test
            for test, here in ours.items()
            if here.passed and (entry := by_test[test]) is not None and not entry.sometimes
        ),
        unrecorded=sorted(set(ours) - set(redis)),
        gained=sorted(
            test
            for test, here in ours.items()
            if here.passed and test in redis and not redis[test].passed
        ),
    )


def expected_of(redis: Results, files: Sequence[str], ours: Results, *, partly: bool) -> Results:
    """Return the part of Redis's record that a run here has to stand up to.

    Args:
        redis: the whole record.
        files: what was run, as ``SUITE/FILE``.
        ours: what was run.
        partly: only some tests of these files were asked for, so others are not missed.
    """
    return {
        test: result
        for test, result in redis.items()
        if file_of(test) in files and (not partly or test in ours)
    }


def _known_of(test: str, known: Sequence[Known]) -> Known | None:
    return next((entry for entry in known if entry.covers(test)), None)
