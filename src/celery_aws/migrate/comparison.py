"""What has to be equal on both sides of a migration, and what differs. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from celery_aws.core.result_copies import rank_of
from celery_aws.migrate.plan_findings import SEE_ALL_QUEUES
from celery_aws.migrate.verification import SHOWN, Difference
from celery_aws.names import AmqpQueue

#: By how many seconds the end of a result's life may differ: clocks, and whole seconds.
LIFE_SECONDS: Final = 60.0

#: What it is called if it differs by more.
LIFE: Final = "results-life"


@dataclass(frozen=True, kw_only=True)
class ComparedMessages:
    """What is known of messages on both sides.

    Attributes:
        left: messages that a run would take now, by Celery's old name of their queue.
        delayed: messages that wait there for their eta, for whichever queue.
        claimed: messages that a run which did not end had claimed.
        held: messages that old workers hold; None if the broker does not say.
        incomplete: why there may be queues of which nothing is known; None if all are known.
        set_aside: keys of messages that the journal says are in the quarantine file.
        in_file: keys of messages that are.
        unseen: names of messages that were sent, that no worker has received, and that are not in
            the schedule: they have to be in a queue.
        waiting: how many messages the queues have that something was sent to, their dead letters
            among them.
    """

    left: Mapping[AmqpQueue, int] = field(default_factory=dict)
    delayed: int = 0
    claimed: int = 0
    held: int | None = None
    incomplete: str | None = None
    set_aside: frozenset[str] = frozenset()
    in_file: frozenset[str] = frozenset()
    unseen: Sequence[str] = ()
    waiting: int = 0


def message_differences(found: ComparedMessages) -> Iterator[Difference]:
    """Yield what is wrong with messages."""
    left = [f"{queue}: {count}" for queue, count in found.left.items() if count]
    if found.delayed:
        left.append(f"for their eta: {found.delayed}")
    if left:
        yield Difference(
            name="messages-left",
            what="messages wait on the old side",
            count=sum(found.left.values()) + found.delayed,
            examples=tuple(left[:SHOWN]),
            remedy="Run `migrate run`; if they come again, something still sends there",
        )
    if found.claimed:
        yield Difference(
            name="messages-claimed",
            what="a run has claimed messages and has not ended",
            count=found.claimed,
            examples=(),
            remedy="Wait for it, or run `migrate run` again with the same journal",
        )
    if found.held:
        yield Difference(
            name="messages-held",
            what="old workers hold messages, or were killed while they did",
            count=found.held,
            examples=(),
            remedy="Stop the old workers warm, and run `migrate run`; with --take-held if none is "
            "left",
        )
    if found.incomplete is not None:
        yield Difference(
            name="queues-unseen",
            what=f"queues may have messages of which nobody knows: {found.incomplete}",
            count=1,
            examples=(),
            remedy=SEE_ALL_QUEUES,
        )
    yield from _of_file(found)
    missing = len(found.unseen) - found.waiting
    if missing > 0:
        certain = "" if not found.waiting else ", some of these"
        yield Difference(
            name="messages-missing",
            what="messages were sent, no worker has received them, and neither queues nor "
            f"schedule have them{certain}",
            count=missing,
            examples=tuple(found.unseen[:SHOWN]),
            remedy="Wait a minute, as SQS counts late, and verify again. Was a queue purged, or "
            "consumed by workers of another version or with migration_deduplication off?",
        )


def _of_file(found: ComparedMessages) -> Iterator[Difference]:
    gone = found.set_aside - found.in_file
    if gone:
        yield Difference(
            name="quarantine-missing",
            what="the journal has set messages aside that the quarantine file does not have",
            count=len(gone),
            examples=tuple(sorted(gone)[:SHOWN]),
            remedy="Bring back the quarantine file: it is the only copy",
        )
    extra = found.in_file - found.set_aside
    if extra:
        yield Difference(
            name="quarantine-unrecorded",
            what="the quarantine file has messages that the journal does not know: a run was "
            "killed, or the journal is another one",
            count=len(extra),
            examples=tuple(sorted(extra)[:SHOWN]),
            remedy="Run `migrate run` again with the same journal",
        )


@dataclass(frozen=True, kw_only=True)
class ComparedResult:
    """A result as one side has it.

    Attributes:
        status: of its task; empty for a group.
        ends_at: when it expires, in epoch seconds; None is never.
    """

    status: str
    ends_at: float | None


def result_difference(old: ComparedResult, new: ComparedResult | None, *, now: float) -> str | None:
    """Return the name of what differs, or None.

    A state that came later than the old one's is none, and has a life of its own.

    Args:
        old: on the old side.
        new: on the new one; None if it is not there.
        now: epoch seconds.
    """
    if new is None:
        about_to_go = old.ends_at is not None and old.ends_at - now < LIFE_SECONDS
        return None if about_to_go else "results-missing"
    if new.status != old.status:
        return None if rank_of(new.status) >= rank_of(old.status) else "results-older"
    return None if _same_life(old.ends_at, new.ends_at) else LIFE


_COPY_RESULTS: Final = (
    "Run `migrate run --only-results`; what the new side has that is newer is kept"
)

#: Where copying again changes nothing.
_RESULT_REMEDIES: Final[Mapping[str, str]] = {
    "results-unreadable": "Let result_accept_content of the old configuration allow their form; "
    "what is no result goes when it expires, or delete it",
    "results-life": "A state that was stored again has a longer life there: keep the old side "
    "until it has expired, if anybody needs it. A copy keeps what is there already",
}


def result_differences(found: Mapping[str, Sequence[str]]) -> Iterator[Difference]:
    """Yield what is wrong with results.

    Args:
        found: ids by what :func:`result_difference` said of them.
    """
    meanings = {
        "results-missing": "the old side has results that the new side does not",
        "results-older": "the new side has states that are older than those of the old side",
        LIFE: "results expire at another time than on the old side",
        "results-unreadable": "results of the old side cannot be read",
    }
    for name, meaning in meanings.items():
        ids = found.get(name, ())
        if ids:
            yield Difference(
                name=name,
                what=meaning,
                count=len(ids),
                examples=tuple(ids[:SHOWN]),
                remedy=_RESULT_REMEDIES.get(name, _COPY_RESULTS),
            )


def _same_life(old: float | None, new: float | None) -> bool:
    if old is None or new is None:
        return old is new
    return abs(old - new) <= LIFE_SECONDS
