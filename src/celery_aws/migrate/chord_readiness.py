"""Whether chords in flight may be moved: only when nobody ends them without looking at both sides.

A worker that knows Redis alone reports the part that it ran to Redis, where nobody counts any more
once the chord was moved (:mod:`celery_aws.migrate.results.chord_moves`).
"""

from celery_aws.errors import WorkersAliveError
from celery_aws.migrate.observations import Observations

_BACKEND = "celery_aws.migrate:ResultBackend"


def refuse_early_moves(seen: Observations) -> None:
    """Do nothing if chords may be moved.

    Args:
        seen: both sides, at this moment; ``told_gone`` if the operator says that no worker of the
            old side is left.

    Raises:
        WorkersAliveError: a worker is alive, or may be, that does not look at both sides.
    """
    workers = (*seen.old_workers, *seen.new_workers)
    without = [each.node for each in workers if not each.reads_both]
    if without:
        raise WorkersAliveError(
            f"chords are not moved while workers have another result backend than {_BACKEND}, "
            f"which would lose parts of them: {', '.join(without)}. Restart these with it, or "
            "stop them",
            names=without,
        )
    if seen.told_gone or (seen.listeners is not None and not _silent(seen)):
        return
    raise WorkersAliveError(
        "chords are not moved while there may be old workers that do not answer: stop them warm. "
        "If none is left, say so (--even-if-alive): parts that one of them runs would be lost"
    )


def _silent(seen: Observations) -> bool:
    """Tell whether somebody is on the old side of whom nobody knows which backend it has."""
    return bool(seen.listeners) and not seen.old_workers
