"""Records the parts of chords in the results table, and lets exactly one caller finish each.

Whose write makes the chord complete takes a *claim*, sends the body, and marks the chord as done.
If it dies in between, its message comes again and so does its part: who brings it finds the chord
complete and claimed, waits until the claim has not changed for :data:`CLAIM_SECONDS` by its own
clock, and takes it over. No clocks of different machines are compared. A claim that was lost is
found lost before the body is sent (:meth:`ChordLedger.hold`), so the body is sent twice only by a
process that stands still for that long between the two; both have the same task id.

Every write may be repeated, as botocore does when an answer is lost. It knows nothing of tasks;
what a part is and where it is written is decided in :mod:`celery_aws.core.chords`.
"""

import logging
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from functools import partial

from kombu.utils.uuid import uuid

from celery_aws.aws.expressions import NOTHING
from celery_aws.core.attributes import Item, number, text, text_of, texts_of
from celery_aws.core.chords import ROOT, Layout, Part, Root, in_order, part_of
from celery_aws.core.conditions import Condition, Equals, Missing, all_of, any_of
from celery_aws.errors import ConditionFailedError, TableNotFoundError
from celery_aws.results import chord_items
from celery_aws.results.items import expiry, key_item, may_be_copied_over
from celery_aws.results.retries import Retries
from celery_aws.results.store import ResultStore
from celery_aws.table.batches import delete_batches, read_batches

logger = logging.getLogger(__name__)

#: A claim that has not changed for so long belongs to a process that is gone. It is longer than
#: reading the results of a large header takes, and shorter than most visibility timeouts.
CLAIM_SECONDS = 30.0

#: A claim that is younger need not be renewed before the body is sent, which takes a request.
FRESH_SECONDS = CLAIM_SECONDS / 3

#: Seconds between two looks at a chord that somebody else finishes.
LOOK_SECONDS = 1.0

#: For how long a finished chord is remembered, for copies of its parts that come late.
DONE_SECONDS = 86_400


class Outcome(Enum):
    """What a part means for its caller, if not that the chord is to be finished."""

    #: Others' parts are missing, or somebody else has finished the chord.
    NOTHING = "nothing"
    #: Celery's own backend began the chord, which counts its parts.
    COUNTED = "counted"


@dataclass(frozen=True, kw_only=True)
class Claim:
    """The right, and the duty, to finish a chord.

    Attributes:
        key: the chord's.
        token: in the root, while the claim is held.
        taken_at: when, by the clock of its holder.
        root: the chord as it was when it was claimed, complete.
    """

    key: bytes
    token: str
    taken_at: float
    root: Root

    @property
    def shard_keys(self) -> list[bytes]:
        """The keys of the shards that the chord has."""
        return [chord_items.shard_key(self.key, shard) for shard in self.root.counts]


@dataclass(frozen=True, kw_only=True)
class ChordLedger:
    """The chords in one results table; holds no connection, as the store.

    Args:
        store: the table.
        life_seconds: how long the record of a chord lives after its last part; None is for ever.
        retries: of the requests of who waits for a claim. To begin again is to wait again, and then
            there is no time left for another try.
    """

    store: ResultStore
    life_seconds: int | None
    retries: Retries

    def begin(self, key: bytes, *, size: int | None, is_nested: bool) -> None:
        """Begin a chord, if it is not being counted already.

        Costs one PutItem. A chord that is not finished is left as it is: the write is repeated, or
        the chord is.
        """
        now = self.store.clock.now()
        item = chord_items.root_item(
            key, size=size, is_nested=is_nested, now=now, life_seconds=self.life_seconds
        )
        try:
            self.store.put_new(item, condition=chord_items.may_begin(now))
        except ConditionFailedError:
            logger.debug("chord %r: begun again before it was finished", key)

    def set_size(self, key: bytes, size: int) -> None:
        """Say how many parts a chord has. One UpdateItem."""
        try:
            self._update(key, put={chord_items.SIZE: number(size)}, condition=chord_items.is_open())
        except ConditionFailedError:
            # Celery does so for every group that is in a chain in a chord's header, too.
            logger.debug("chord %r: not begun here, its size is not kept", key)
        except TableNotFoundError:
            # As before, where that chord is in another backend and no result is here yet.
            if not self.store.creates_table:
                raise

    def add(self, key: bytes, task_id: str) -> bool:
        """Add a task to a chord; tell whether that is possible. One UpdateItem."""
        try:
            self._update(
                key, include={chord_items.ADDED: [task_id]}, condition=chord_items.is_open()
            )
        except ConditionFailedError:
            return False
        return True

    def record(self, key: bytes, part: Part, layout: Layout) -> Claim | Outcome:
        """Record that a part has returned.

        Args:
            key: the chord's.
            part: what has returned; it may have been recorded before.
            layout: as the part's message says.

        Returns:
            The claim, if this caller is to finish the chord. A part that was recorded before may
            have to wait for it, if another process holds it.

        Raises:
            AwsError: AWS refused; the part may have been recorded all the same, and may be
                recorded again.

        Costs one UpdateItem for the first 64 parts of a chord, and for most others of a header of
        single tasks; else two. One more for whose part makes it complete.
        """
        shard = layout.shard_of(part)
        try:
            if shard == ROOT:
                found = self._update(
                    key,
                    include={chord_items.PARTS: [part.member]},
                    condition=chord_items.is_open(),
                )
            else:
                count = self._count(key, part, shard)
                if count < layout.expected_in(shard):
                    return Outcome.NOTHING
                found = self._tell(key, shard, count)
        except ConditionFailedError as refused:
            return self._refused(key, refused.item)
        root = chord_items.root_of(found)
        return self._claim(key, root) if root.is_complete else Outcome.NOTHING

    def begin_move(self, key: bytes, *, is_nested: bool) -> None:
        """Begin to move a chord here, if it is not here. One PutItem."""
        now = self.store.clock.now()
        item = chord_items.moving_item(
            key, is_nested=is_nested, now=now, life_seconds=self.life_seconds
        )
        try:
            self.store.put_new(item, condition=may_be_copied_over(None, now))
        except ConditionFailedError:
            logger.debug("chord %r: it is here, or was", key)

    def take_in(self, key: bytes, parts: Iterable[Part]) -> bool:
        """Add parts that returned elsewhere; tell whether the chord is still open.

        Unlike :meth:`record` it never claims the chord. Costs one UpdateItem for all in the root,
        and two for each shard.
        """
        shards: dict[str, list[Part]] = {}
        for part in parts:
            shards.setdefault(Layout().shard_of(part), []).append(part)
        try:
            for shard, members in shards.items():
                self._take_in(key, shard, [part.member for part in members])
        except ConditionFailedError:
            return False
        return True

    def end_move(self, key: bytes, size: int) -> None:
        """Say how many parts a chord has whose parts have been taken in. One UpdateItem."""
        put = {chord_items.SIZE: number(size), chord_items.MOVING: number(0)}
        try:
            self._update(key, put=put, condition=chord_items.is_open())
        except ConditionFailedError:
            logger.debug("chord %r: finished meanwhile", key)

    def give_up_move(self, key: bytes) -> None:
        """Forget a chord that is not moved after all. One DeleteItem."""
        try:
            self.store.service.delete_item(
                self.store.table, key_item(key), condition=chord_items.is_still_moving()
            )
        except ConditionFailedError:
            logger.debug("chord %r: it is here", key)

    def parts(self, claim: Claim) -> list[Part]:
        """Return the parts of a claimed chord, in order.

        Costs one BatchGetItem for each 100 shards, which are 6,400 parts; none without shards.
        """
        members = set(claim.root.parts)
        for item in read_batches(
            self.store.service,
            self.store.table,
            [key_item(key) for key in claim.shard_keys],
            clock=self.store.clock,
            random=self.store.random,
        ):
            members |= texts_of(item, chord_items.PARTS)
        return in_order(map(part_of, members))

    def hold(self, claim: Claim) -> Claim | None:
        """Return the claim with most of its time ahead, or None if it was lost.

        Costs one UpdateItem, or nothing for a claim that is fresh.
        """
        now = self.store.clock.monotonic()
        if now - claim.taken_at < FRESH_SECONDS:
            return claim
        token = uuid()
        held = any_of(*(Equals(chord_items.CLAIM, text(each)) for each in (claim.token, token)))
        try:
            self._update(claim.key, put={chord_items.CLAIM: text(token)}, condition=held)
        except ConditionFailedError:
            return None
        return replace(claim, token=token, taken_at=now)

    def finish(self, claim: Claim, keys: Iterable[bytes] = ()) -> None:
        """Mark a claimed chord as done, and delete what is not needed any more.

        Args:
            claim: whose time may be over: then another process has finished the chord.
            keys: of more items to delete.

        Costs one PutItem, and one BatchWriteItem for each 25 items to delete.
        """
        life = DONE_SECONDS if self.life_seconds is None else min(DONE_SECONDS, self.life_seconds)
        # A whole item: an expression that removes the counts of many shards would be too long.
        item = chord_items.done_item(
            claim.key, claim.root, now=self.store.clock.now(), life_seconds=life
        )
        try:
            self.store.put_new(item, condition=Equals(chord_items.CLAIM, text(claim.token)))
        except ConditionFailedError as refused:
            if not chord_items.is_done(refused.item):
                logger.warning("chord %r: somebody else has taken over its end", claim.key)
                return
        delete_batches(
            self.store.service,
            self.store.table,
            [key_item(key) for key in {*claim.shard_keys, *keys}],
            clock=self.store.clock,
            random=self.store.random,
        )

    def _take_in(self, key: bytes, shard: str, members: list[str]) -> None:
        include = {chord_items.PARTS: members}
        if shard == ROOT:
            self._update(key, include=include, condition=chord_items.is_open())
            return
        item = self._update(chord_items.shard_key(key, shard), include=include)
        self._tell(key, shard, len(texts_of(item, chord_items.PARTS)))

    def _count(self, key: bytes, part: Part, shard: str) -> int:
        """Write a part into its shard, and return how many that has."""
        item = self._update(
            chord_items.shard_key(key, shard), include={chord_items.PARTS: [part.member]}
        )
        return len(texts_of(item, chord_items.PARTS))

    def _tell(self, key: bytes, shard: str, count: int) -> Item:
        """Tell the root how many parts a shard has, and return the root."""
        put = {chord_items.count_attribute(shard): number(count)}
        try:
            return self._update(key, put=put, condition=chord_items.is_news(shard, count))
        except ConditionFailedError as known:
            if not chord_items.is_ours(known.item) or chord_items.is_done(known.item):
                raise
            return known.item

    def _refused(self, key: bytes, found: Item) -> Outcome:
        if chord_items.is_counter(found):
            return Outcome.COUNTED
        if not chord_items.is_done(found):
            logger.warning(
                "chord %r: a part has returned, and the chord is not known. It has expired "
                "(result_chord_expires, result_expires), and then its body is never sent; or it "
                "was finished long ago",
                key,
            )
        return Outcome.NOTHING

    def _claim(self, key: bytes, root: Root) -> Claim | Outcome:
        token = uuid()
        seen, since = root.claim, self.store.clock.monotonic()
        while True:
            left_seconds = since + CLAIM_SECONDS - self.store.clock.monotonic()
            if seen is not None and left_seconds > 0:
                self.store.clock.sleep(min(LOOK_SECONDS, left_seconds))
                found = self.retries.of_store(lambda: self._look(key))
            else:
                asked_at = self.store.clock.monotonic()
                taken, found = self.retries.of_store(partial(self._take, key, seen, token))
                root = chord_items.root_of(found)
                if taken and root.is_complete:
                    return Claim(key=key, token=token, taken_at=asked_at, root=root)
            # What is not complete any more has been finished, and begun again meanwhile.
            if chord_items.is_done(found) or not chord_items.root_of(found).is_complete:
                return Outcome.NOTHING
            claim = text_of(found, chord_items.CLAIM)
            if claim != seen:
                seen, since = claim, self.store.clock.monotonic()

    def _look(self, key: bytes) -> Item:
        found = self.store.service.get_item(self.store.table, key_item(key), consistent=True)
        return {} if found is None else found

    def _take(self, key: bytes, seen: str | None, token: str) -> tuple[bool, Item]:
        """Take a claim if it is still as it was seen; return whether, and the root."""
        unchanged: Condition = Missing(chord_items.CLAIM)
        if seen is not None:
            unchanged = Equals(chord_items.CLAIM, text(seen))
        # Ours, if the first answer to this very request was lost.
        held = Equals(chord_items.CLAIM, text(token))
        condition = all_of(chord_items.is_open(), any_of(unchanged, held))
        try:
            put = {chord_items.CLAIM: text(token)}
            return True, self._update(key, put=put, condition=condition)
        except ConditionFailedError as lost:
            return False, lost.item

    def _update(
        self,
        key: bytes,
        *,
        put: Item = NOTHING,
        include: Mapping[str, Collection[str]] = NOTHING,
        condition: Condition | None = None,
    ) -> Item:
        return self.store.service.update_item(
            self.store.table,
            key_item(key),
            add={},
            put={**put, **expiry(self.store.clock.now(), self.life_seconds)},
            include=include,
            condition=condition,
        )
