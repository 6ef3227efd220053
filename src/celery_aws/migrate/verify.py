"""Compares both sides of a migration with its journal; nothing is changed."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from celery_aws.clock import SystemClock
from celery_aws.deployment import is_ours
from celery_aws.errors import ConfigurationError
from celery_aws.migrate.comparison import (
    ComparedMessages,
    message_differences,
    result_differences,
)
from celery_aws.migrate.inventory import Inventory
from celery_aws.migrate.journal import Journal, Passage
from celery_aws.migrate.messages import Fate
from celery_aws.migrate.plan_findings import counted
from celery_aws.migrate.quarantine import Quarantine
from celery_aws.migrate.result_verification import compare_results
from celery_aws.migrate.results.found import redis_backend
from celery_aws.migrate.results.redis_results import RedisResults
from celery_aws.migrate.sent_messages import Whereabouts, whereabouts
from celery_aws.migrate.verification import Verification
from celery_aws.results import our_backend

_CLOCK = SystemClock()


def last_passage(path: Path) -> Passage | None:
    """Return the latest move of a journal; None if there is no journal, or nothing was moved."""
    if not path.exists():
        return None
    journal = Journal(path)
    try:
        return journal.passage()
    finally:
        journal.close()


def verify_messages(path: Path, inventory: Inventory, entered_app: Any) -> Verification:
    """Return whether everything that was ever claimed is somewhere.

    Args:
        path: of the journal.
        inventory: of the messages of the side that is left, now.
        entered_app: the app of the other side.

    Raises:
        ConfigurationError: there is no journal.
        AwsError: AWS did not answer, or refused.

    Costs what :func:`~celery_aws.migrate.sent_messages.whereabouts` costs.
    """
    if not path.exists():
        raise ConfigurationError(
            f"there is no journal {path}: run this where `migrate run` was run, or name it",
            where="--journal",
        )
    journal = Journal(path)
    try:
        passage = journal.passage()
        if passage is None:
            return _compared(inventory, Whereabouts(), {}, ComparedMessages())
        if passage.source != inventory.source:
            raise ConfigurationError(
                f"the journal {path} is of a move from {passage.source} to {passage.target}, and "
                f"not from {inventory.source}",
                where="--from",
            )
        return _verified(journal, passage, inventory, entered_app)
    finally:
        journal.close()


def with_results(
    found: Verification, left_app: Any, entered_app: Any, *, sample: int | None = None
) -> Verification:
    """Return a verification with results compared, too.

    Args:
        found: of the messages.
        left_app: the app whose results were copied.
        entered_app: the app that has to have them.
        sample: how many to compare at most; None is all.

    Raises:
        AwsError: AWS did not answer, or refused.

    Costs one BatchGetItem for each 100 results.
    """
    theirs, ours = redis_backend(left_app), our_backend(entered_app)
    if theirs is None or ours is None:
        what = f"{left_app.backend.as_uri()} with {entered_app.backend.as_uri()}"
        return _noted(found, f"results are compared on redis:// with aws+dynamodb://, not {what}")
    compared = compare_results(RedisResults(theirs, _CLOCK), ours, clock=_CLOCK, sample=sample)
    return replace(
        found,
        results=compared.compared,
        sampled=compared.sampled,
        differences=(*found.differences, *result_differences(compared.found)),
    )


def _verified(
    journal: Journal, passage: Passage, inventory: Inventory, entered_app: Any
) -> Verification:
    moved: dict[str, int] = {}
    for fates in journal.counts().values():
        for fate, count in fates.items():
            moved[fate.value] = moved.get(fate.value, 0) + count
    aside = (Fate.QUARANTINED, Fate.REVOKED)
    found = _sent(journal, entered_app)
    return _compared(
        inventory,
        found,
        moved,
        ComparedMessages(
            set_aside=frozenset(each.key for fate in aside for each in journal.entries(fate)),
            in_file=_set_aside_in_file(journal, passage),
            unseen=found.unseen,
            waiting=found.waiting,
        ),
    )


def _compared(
    inventory: Inventory, found: Whereabouts, moved: dict[str, int], messages: ComparedMessages
) -> Verification:
    held = [each.held for each in inventory.queues if each.held is not None]
    messages = replace(
        messages,
        left={each.queue: each.messages for each in inventory.queues},
        delayed=inventory.delayed,
        claimed=inventory.claimed,
        held=sum(held) if held else None,
        incomplete=inventory.incomplete,
    )
    return Verification(
        moved=moved,
        begun=found.begun,
        waiting=found.waiting + found.parked,
        differences=tuple(message_differences(messages)),
        notes=tuple(_notes(found)),
    )


def _sent(journal: Journal, entered_app: Any) -> Whereabouts:
    with entered_app.connection_for_write() as connection:
        if not is_ours(connection):
            return Whereabouts(followed=False)
        return whereabouts(journal, entered_app, connection.transport)


def _set_aside_in_file(journal: Journal, passage: Passage) -> frozenset[str]:
    """Return the keys in the file, but for what was sent after all.

    Who was killed between the file and the journal found it claimed again, and may have had a
    bucket, or a larger queue, by then.
    """
    keys = frozenset(_keys_in_file(journal.path, passage))
    fates = journal.fates(list(keys))
    return frozenset(key for key in keys if fates.get(key) is not Fate.SENT)


def _keys_in_file(journal: Path, passage: Passage) -> Iterator[str]:
    for line in Quarantine.beside(journal, source=passage.source).lines():
        # A passage before may have set aside the same messages.
        of_passage = datetime.fromisoformat(str(line.get("at"))) >= passage.began
        if line.get("source") == passage.source and of_passage:
            yield str(line.get("key"))


def _notes(found: Whereabouts) -> Iterator[str]:
    if not found.followed:
        yield "workers do not say what they have received: what was sent is not followed"
    elif found.unseen and found.waiting:
        yield (
            f"{counted(len(found.unseen))} sent and not received yet have to be among the "
            f"{found.waiting} of "
            "the queues, which nobody can look into: verify again when workers have received them"
        )


def _noted(found: Verification, note: str) -> Verification:
    return replace(found, notes=(*found.notes, note))
