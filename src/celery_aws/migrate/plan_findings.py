"""What stands in the way of a migration, or ought to be known before it. Pure.

Each kind has a name that never changes, for programs.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

from celery_aws.migrate.inventory import Inventory, OtherKeys
from celery_aws.migrate.new_side import NewSide
from celery_aws.migrate.results.inventory import UNREADABLE

#: What to do where an inventory may lack queues.
SEE_ALL_QUEUES: Final = (
    "Give --management-url, with a user who may see queues, or name every queue by --queue"
)


class Level(Enum):
    """What a finding means."""

    #: A run leaves something behind, or would lose it: mend it first.
    BLOCK = "block"
    #: The run goes, and something becomes of it that somebody may not want.
    WARNING = "warning"
    #: Worth knowing.
    NOTE = "note"


@dataclass(frozen=True, kw_only=True)
class PlanFinding:
    """One thing to know before a run.

    Attributes:
        name: of its kind; stable.
        level: what it means.
        where: the queue, or the part of the old side, that it is about.
        what: what is the case.
        remedy: what to do.
    """

    name: str
    level: Level
    where: str
    what: str
    remedy: str


def counted(count: int) -> str:
    """Return a number of messages as people say it."""
    return "1 message" if count == 1 else f"{count} messages"


def inventory_findings(inventory: Inventory, side: NewSide) -> Iterator[PlanFinding]:
    """Yield what is found beside queues."""
    if inventory.incomplete is not None:
        yield PlanFinding(
            name="queues-unseen",
            level=Level.WARNING,
            where=inventory.server,
            what=inventory.incomplete,
            remedy=SEE_ALL_QUEUES,
        )
    if inventory.claimed:
        yield PlanFinding(
            name="run-unfinished",
            level=Level.NOTE,
            where=inventory.source,
            what=f"an earlier run has claimed {counted(inventory.claimed)} and did not end",
            remedy="Nothing: the next `migrate run` with the same journal takes them first",
        )
    if inventory.delayed:
        yield PlanFinding(
            name="messages-delayed",
            level=Level.NOTE,
            where=inventory.server,
            what=f"{counted(inventory.delayed)} wait there for their eta, for queues that nobody "
            "can tell before they are taken",
            remedy="Nothing: a run sends each to its queue, or leaves it if that has nowhere to go",
        )
    if not side.deduplicates:
        yield PlanFinding(
            name="doubles-possible",
            level=Level.WARNING,
            where="broker_transport_options",
            what="workers do not look for messages that were moved twice: a run that is killed may "
            "send up to ten again",
            remedy="Leave coordination_table and migration_deduplication on, or let tasks be "
            "idempotent",
        )
    yield from map(_of_keys, inventory.others)
    yield from _of_results(inventory, side)
    for note in inventory.notes:
        yield PlanFinding(
            name="server-note",
            level=Level.NOTE,
            where=inventory.server,
            what=note,
            remedy="See docs/how-to/migrate.md",
        )


def _of_keys(keys: OtherKeys) -> PlanFinding:
    return PlanFinding(
        name=f"keys-{keys.kind}",
        level=Level.BLOCK if keys.blocks else Level.NOTE,
        where=keys.example,
        what=f"{keys.count} {'key' if keys.count == 1 else 'keys'} of kind {keys.kind}, such as "
        f"{keys.example}: not moved",
        remedy=keys.note,
    )


def _of_results(inventory: Inventory, side: NewSide) -> Iterator[PlanFinding]:
    found = inventory.results
    where = "result backend"
    if found is None:
        yield PlanFinding(
            name="results-uncounted",
            level=Level.NOTE,
            where=where,
            what="the old result backend cannot be counted or copied",
            remedy="Let celery_aws.migrate:ResultBackend read it until its results have expired",
        )
        return
    if side.results is None and not side.reads_both and any(found.results.values()):
        yield PlanFinding(
            name="results-left",
            level=Level.WARNING,
            where=where,
            what=f"{sum(found.results.values())} results, and the new app's result backend is not "
            "aws+dynamodb://",
            remedy="Set result_backend of the new app, or leave the old result backend running",
        )
    unreadable = found.results.get(UNREADABLE, 0)
    if unreadable:
        yield PlanFinding(
            name="results-unreadable",
            level=Level.WARNING,
            where=where,
            what=f"{unreadable} results cannot be read: they are not copied",
            remedy="If they are pickles or in another form, let result_accept_content of the old "
            "configuration allow it",
        )
    if found.chords:
        there = sum(done for done, _ in found.chords.values())
        yield PlanFinding(
            name="chords-running",
            level=Level.NOTE if side.reads_both else Level.WARNING,
            where=where,
            what=f"chords whose body has not been called yet: {len(found.chords)} (with {there} "
            "parts that are there)",
            remedy="Their parts are counted on the old side: use celery_aws.migrate:ResultBackend "
            "on both sides until `migrate status` says that none is left",
        )
    if found.without_ttl:
        yield PlanFinding(
            name="results-for-ever",
            level=Level.NOTE,
            where=where,
            what=f"{found.without_ttl} results never expire; they are copied so",
            remedy="Delete them on the old side if nobody needs them: storage is paid by the month",
        )
