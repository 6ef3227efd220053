"""Moves chords in flight from Redis into our table, while their tasks run and return.

Whoever holds both backends (a worker with ``celery_aws.migrate:ResultBackend``) tells a part either
to Redis or to us, and looks for the chord's root here before and after. Moving is four steps:

1. the root is written here, marked as *moving*, without a size: it cannot be complete. Not before
   Redis knows the size: from then on what step 2 finds can change in one direction only, and so a
   root that is deleted again (below) is that of no chord that somebody else closes meanwhile;
2. the chord is closed in Redis, in one transaction, unless all its parts are there: from here on
   nothing ends it there;
3. the parts that it had then are written here;
4. the root gets the size, and is not moving any more.

Steps 2 to 4 change nothing when they are done again, and are done by everybody who meets a root
that is moving, before anything else. So

* no part is lost: who told Redis either did so before step 2, and the part is among those of step
  3; or after it, and so after step 1: then the look after it finds the root, and tells us too. To
  tell us twice changes nothing;
* somebody ends the chord: it was closed while a part was missing. That part is told to us, after
  step 4, as every part is that is told to us at all; and DynamoDB does these writes one after the
  other, so that the last of them sees all parts, and sends the body, which it has with it;
* nobody ends it twice: Redis's workers end only what was complete in step 2, and then the root is
  deleted again, before any part was told to it.

A worker that knows Redis alone looks for no root: what it tells after step 2 stays in Redis. Move
chords when none of those is left; parts that one has told all the same are found by moving again.
"""

import logging
from collections.abc import Iterable
from enum import Enum
from typing import Any

from celery_aws.migrate.results.payloads import payload_for
from celery_aws.migrate.results.redis_chords import Closing, RedisChords, StoredPart
from celery_aws.results import DynamoDBBackend
from celery_aws.results.chord_items import is_done, is_moving, root_of

logger = logging.getLogger(__name__)

#: How long a worker has to tell us what it has told Redis, before a chord is said to be stuck.
GRACE_SECONDS = 2.0


class Moved(Enum):
    """What became of a chord that was to be moved."""

    #: It is here.
    HERE = "here"
    #: It is left where it is: all its parts are there, or have no places, or it is over.
    LEFT = "left"
    #: All its parts are here, the last by a worker of the old backend: nobody sends its body.
    STUCK = "stuck"


class ChordMoves:
    """Moves chords; threads may share it.

    Args:
        theirs: the chords of Celery's backend.
        ours: where they go.
    """

    def __init__(self, theirs: RedisChords, ours: DynamoDBBackend) -> None:
        self._theirs = theirs
        self._ours = ours

    def move(self, group_id: str) -> Moved:
        """Move a chord here.

        Costs a PutItem for the root and for each part that is there, two UpdateItems and more for
        parts above 64, one GetItem, and some nine commands of Redis.
        """
        if self._theirs.has_size(group_id):
            key = self._ours.get_key_for_chord(group_id)
            is_nested = self._theirs.is_nested(group_id)
            self._ours.retries.of_store(
                lambda: self._ours.ledger.begin_move(key, is_nested=is_nested)
            )
            self.end(group_id)
        return self._take_late(group_id)

    def end(self, group_id: str) -> None:
        """Do what is left to do of a move that somebody has begun."""
        key, ledger = self._ours.get_key_for_chord(group_id), self._ours.ledger
        if self._theirs.close(group_id) is not Closing.CLOSED:
            self._ours.retries.of_store(lambda: ledger.give_up_move(key))
            return
        chord = self._theirs.closed(group_id)
        if chord is None:
            return  # somebody else has just done it
        if chord.group is not None:
            self._keep_group(group_id, chord.group)
        if self._take_in(group_id, chord.parts):
            self._ours.retries.of_store(lambda: ledger.end_move(key, chord.size))
        elif self._ours.chord_root(group_id) is None:
            return  # it has expired; Redis has the only copy, and the next move finds it
        self._theirs.forget(group_id)

    def add(self, group_id: str) -> bool:
        """Add a task to a chord in Redis; tell whether it was still there."""
        return self._theirs.add(group_id)

    def _take_late(self, group_id: str) -> Moved:
        """Take in what came to Redis since, by workers that know nothing else."""
        root = self._ours.chord_root(group_id)
        if root is None or is_moving(root):
            return Moved.LEFT
        late = () if is_done(root) else self._theirs.late(group_id)
        if not (late and self._take_in(group_id, late) and self._has_no_end(group_id)):
            return Moved.HERE
        # Perhaps by a worker that was between telling Redis and telling us.
        self._ours.clock.sleep(GRACE_SECONDS)
        if not self._has_no_end(group_id):
            return Moved.HERE
        logger.error(
            "chord %s: all its parts are here, but the last was told to Redis, by a worker of the "
            "old result backend alone. Nobody is left who has its body",
            group_id,
        )
        return Moved.STUCK

    def _has_no_end(self, group_id: str) -> bool:
        """Tell whether all parts of a chord are here, and nobody ends it."""
        root = self._ours.chord_root(group_id)
        if root is None or is_done(root):
            return False
        found = root_of(root)
        return found.is_complete and found.claim is None

    def _take_in(self, group_id: str, parts: Iterable[StoredPart]) -> bool:
        found = list(parts)
        for each in found:
            self._ours.keep_part(group_id, each.part, each.state, self._translated(each))
        key = self._ours.get_key_for_chord(group_id)
        return self._ours.retries.of_store(
            lambda: self._ours.ledger.take_in(key, [each.part for each in found])
        )

    def _translated(self, part: StoredPart) -> Any:
        theirs = self._theirs.backend
        raises = part.state in theirs.EXCEPTION_STATES
        if not raises or theirs.content_type == self._ours.content_type:
            return part.result
        return self._ours.prepare_exception(theirs.exception_to_python(part.result))

    def _keep_group(self, group_id: str, content: bytes) -> None:
        payload = payload_for(self._ours, self._theirs.backend, content, is_group=True)
        if payload is not None:
            ours, key = self._ours, self._ours.get_key_for_group(group_id)
            life_seconds = ours.lifetimes.chord_part
            ours.retries.of_store(
                lambda: ours.store.write(key, payload.content, life_seconds=life_seconds)
            )
