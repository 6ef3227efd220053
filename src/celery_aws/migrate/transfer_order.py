"""What a run of a migration is told."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from celery_aws.migrate.sides import Source, Target


@dataclass(frozen=True, kw_only=True)
class Sides:
    """How the threads of a run get their sources and targets.

    Attributes:
        source: makes the source of a thread by the thread's name.
        target: makes its target.
    """

    source: Callable[[str], Source]
    target: Callable[[str], Target]


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a run is told.

    Attributes:
        run: its name, unique.
        threads: that move messages; a kill may double one batch of each.
        per_second: messages at most, over all threads, on average; None is no limit.
        follow: go on when nothing is left, until it is stopped.
        only_claimed: only what an earlier run had claimed.
        revoked: ids of tasks that are not to run.
    """

    run: str
    threads: int = 1
    per_second: float | None = None
    follow: bool = False
    only_claimed: bool = False
    revoked: Collection[str] = frozenset()
