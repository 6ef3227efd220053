"""The results table as Celery's backend needs it: read, write, count, never undo a success.

It knows items and AWS and nothing of tasks. A state is one conditional PutItem; only when
that meets an item of Celery's own backend, which has no ``status`` to condition on, does it
look into the stored meta and write once more. The table is made when the first write finds
none and the settings allow it; a read that finds none finds no result.

What does not fit into an item is written elsewhere before the item, and is deleted when the item
is replaced or deleted, or loses (:mod:`celery_aws.core.large_results`).
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from celery import states
from kombu.utils.uuid import uuid

from celery_aws.aws.dynamodb import TableService
from celery_aws.aws.table_schema import TableSpec
from celery_aws.clock import Clock
from celery_aws.core.attributes import Item, binary_of, number_of, text_of
from celery_aws.core.backoff import Random
from celery_aws.core.conditions import Condition, any_of
from celery_aws.core.large_results import is_large, room_bytes
from celery_aws.errors import AwsError, ConditionFailedError, TableNotFoundError, TemporaryError
from celery_aws.names import TableName
from celery_aws.results import items
from celery_aws.results.large_results import LargeResults
from celery_aws.results.result_objects import NO_OBJECTS, ResultObjects
from celery_aws.table.batches import read_batches
from celery_aws.table.creation import ensure_table

logger = logging.getLogger(__name__)

T = TypeVar("T")

#: How often a state is put when others keep writing the same task in between.
_ROUNDS = 5


@dataclass(frozen=True, kw_only=True)
class ResultStore:
    """One results table; holds no connection, so threads and forked children may share it."""

    service: TableService
    table: TableName
    spec: TableSpec
    creates_table: bool
    clock: Clock
    random: Random
    objects: ResultObjects = NO_OBJECTS
    new_version: Callable[[], str] = uuid

    def read(self, key: bytes) -> bytes | None:
        """Return what is stored under ``key``, or None. One GetItem, consistent.

        Raises:
            ResultUnreadableError: some of a large result is missing.
            ConfigurationError: it is in S3, outside of the bucket that is configured here.
            AwsError: AWS refused.

        Costs more requests for a large result: :meth:`LargeResults.read`.
        """
        try:
            item = self.service.get_item(self.table, items.key_item(key), consistent=True)
            return None if item is None else self.payloads_of({key: item}).get(key)
        except TableNotFoundError as error:
            self._tolerate(error)
            return None

    def read_many(self, keys: Iterable[bytes]) -> dict[bytes, bytes]:
        """Return what is stored, by key. One BatchGetItem for each 100 keys, consistent.

        Raises as :meth:`read`, and costs more for large results likewise, all of them together.
        """
        try:
            return self.payloads_of(self._items(keys))
        except TableNotFoundError as error:
            self._tolerate(error)
            return {}

    def read_small(self, keys: Iterable[bytes]) -> dict[bytes, bytes | None]:
        """Return what is stored, by key, without what is large; None is for nothing.

        Costs one BatchGetItem for each 100 keys, consistent.
        """
        small: dict[bytes, bytes | None] = dict.fromkeys(keys)
        try:
            found = self._items(small)
        except TableNotFoundError as error:
            self._tolerate(error)
            return small
        for key, item in found.items():
            if self._is_expired(item):
                continue
            if is_large(item):
                del small[key]
            else:
                small[key] = binary_of(item, items.RESULT)
        return small

    def item(self, key: bytes) -> Item | None:
        """Return the item under ``key``, expired or not. One GetItem, consistent."""
        try:
            return self.service.get_item(self.table, items.key_item(key), consistent=True)
        except TableNotFoundError as error:
            self._tolerate(error)
            return None

    def items_of(self, keys: Iterable[bytes]) -> dict[bytes, Item]:
        """Return the items that there are, by key, expired or not. As :meth:`read_many` asks."""
        try:
            return self._items(keys)
        except TableNotFoundError as error:
            self._tolerate(error)
            return {}

    def write_if(
        self,
        key: bytes,
        payload: bytes,
        *,
        condition: Condition,
        now: datetime,
        life_seconds: int | None,
        status: str | None = None,
    ) -> bool:
        """Write a state, or a group, if ``condition`` holds; tell whether it did.

        Args:
            key: Celery's key.
            payload: the encoded meta.
            condition: of what is there.
            now: the time of the write.
            life_seconds: from then on; None is for ever.
            status: the task's state.

        Costs one PutItem, and what a large result takes (:meth:`LargeResults.keep`).
        """
        item = self._kept(key, payload, now=now, life_seconds=life_seconds, status=status)
        try:
            old = self._put(item, condition=condition)
        except ConditionFailedError as lost:
            self._large.remove(item, unless_in=lost.item)
            return False
        except AwsError as error:
            self._give_up(item, error)
            raise
        self._large.remove(old, unless_in=item)
        return True

    def write(self, key: bytes, payload: bytes, *, life_seconds: int | None) -> None:
        """Write over whatever is there. One PutItem, and what a large result takes."""
        item = self._kept(key, payload, now=self.clock.now(), life_seconds=life_seconds)
        try:
            old = self._put(item)
        except AwsError as error:
            self._give_up(item, error)
            raise
        self._large.remove(old, unless_in=item)

    def write_state(
        self,
        key: bytes,
        payload: bytes,
        *,
        status: str,
        life_seconds: int | None,
        status_of: Callable[[bytes], str],
    ) -> bool:
        """Write a task's state, unless a success is stored.

        Args:
            key: Celery's key of the task.
            payload: the encoded meta.
            status: the state.
            life_seconds: None is for ever.
            status_of: the state inside a payload that Celery's own backend wrote.

        Returns:
            True if it was written, False if a success was there.

        Raises:
            AwsError: AWS refused, or others wrote in between all the time.

        Costs one PutItem, or two over an unfinished state that Celery's own backend wrote; and
        what a large result takes (:meth:`LargeResults.keep`).
        """
        now = self.clock.now()
        item = self._kept(key, payload, now=now, life_seconds=life_seconds, status=status)
        try:
            old = self._put_state(item, now, status_of)
        except _SuccessError as success:
            self._large.remove(item, unless_in=success.item)
            return False
        except AwsError as error:
            self._give_up(item, error)
            raise
        self._large.remove(old, unless_in=item)
        return True

    def delete(self, key: bytes) -> None:
        """Delete what is stored under ``key``, if anything. One DeleteItem, and what was large."""
        try:
            self._large.remove(self.service.delete_item(self.table, items.key_item(key)))
        except TableNotFoundError as error:
            self._tolerate(error)

    def put_new(self, item: Item, *, condition: Condition) -> None:
        """Write an item of a chord if ``condition`` holds, and the table if there is none.

        Raises:
            ConditionFailedError: it does not.

        Costs one PutItem.
        """
        self._put(item, condition=condition)

    def start_count(self, key: bytes, *, life_seconds: int | None) -> None:
        """Set a counter to zero. One PutItem."""
        self._put(items.counter_item(key, now=self.clock.now(), life_seconds=life_seconds))

    def count(self, key: bytes, *, life_seconds: int | None) -> int:
        """Add one to a counter, made if it is missing, and return it. One UpdateItem."""
        expiry = items.expiry(self.clock.now(), life_seconds)
        item = self._or_create_table(
            lambda: self.service.update_item(
                self.table, items.key_item(key), add={items.CHORD_COUNT: 1}, put=expiry
            )
        )
        return int(number_of(item, items.CHORD_COUNT) or 0)

    @property
    def _large(self) -> LargeResults:
        return LargeResults(
            service=self.service,
            table=self.table,
            objects=self.objects,
            clock=self.clock,
            random=self.random,
            new_version=self.new_version,
        )

    def _kept(
        self,
        key: bytes,
        payload: bytes,
        *,
        now: datetime,
        life_seconds: int | None,
        status: str | None = None,
    ) -> Item:
        """Return the item to put; what does not fit into it is written."""

        def item_of(payload: bytes) -> Item:
            return items.result_item(
                key, payload, now=now, life_seconds=life_seconds, status=status
            )

        head = item_of(b"")
        room = room_bytes(head)
        if len(payload) <= room:
            return item_of(payload)
        return self._or_create_table(
            lambda: self._large.keep(
                head, payload, room_bytes=room, now=now, life_seconds=life_seconds
            )
        )

    def _put_state(
        self, item: Item, now: datetime, status_of: Callable[[bytes], str]
    ) -> Item | None:
        """Put a state, and return what it replaced; raises what it may not replace."""
        condition = items.may_be_replaced(now)
        rounds = _ROUNDS
        while True:
            rounds -= 1
            try:
                return self._put(item, condition=condition)
            except ConditionFailedError as lost:
                if _stored_status(lost.item, status_of) == states.SUCCESS:
                    raise _SuccessError(lost.item) from None
                if not rounds:
                    raise
                condition = any_of(items.may_be_replaced(now), items.is_still(lost.item))

    def _put(self, item: Item, *, condition: Condition | None = None) -> Item | None:
        return self._large.show(
            item,
            lambda: self._or_create_table(
                lambda: self.service.put_item(self.table, item, condition=condition)
            ),
        )

    def _give_up(self, item: Item, error: AwsError) -> None:
        # If AWS did not answer, the item may be there all the same, and needs what it shows.
        if not isinstance(error, TemporaryError):
            self._large.remove(item)

    def _or_create_table(self, write: Callable[[], T]) -> T:
        try:
            return write()
        except TableNotFoundError as error:
            self._tolerate(error)
        report = ensure_table(
            self.service, self.table, self.spec, purpose=items.RESULTS_TABLE, clock=self.clock
        )
        if report.created:
            # Not before: threads and processes that miss it at the same time would all say so.
            logger.warning("results table %s did not exist: it was created", self.table)
        return write()

    def _tolerate(self, error: TableNotFoundError) -> None:
        # A missing table is fine only if the first write makes it.
        if not self.creates_table:
            raise error

    def _items(self, keys: Iterable[bytes]) -> dict[bytes, Item]:
        by_id = {repr(key): key for key in keys}
        wanted = [items.key_item(key) for key in by_id.values()]
        read = read_batches(self.service, self.table, wanted, clock=self.clock, random=self.random)
        return {by_id[text_of(item, items.ID) or ""]: item for item in read}

    def payloads_of(self, found: dict[bytes, Item]) -> dict[bytes, bytes]:
        """Return the results that items hold or show, by key.

        A large result that is replaced in between loses its pieces: then its item is read again.
        """
        payloads: dict[bytes, bytes] = {}
        for rounds in reversed(range(_ROUNDS)):
            valid = {key: item for key, item in found.items() if not self._is_expired(item)}
            heads = {key: item for key, item in valid.items() if is_large(item)}
            small = {key: binary_of(item, items.RESULT) for key, item in valid.items()}
            payloads.update(
                (key, payload)
                for key, payload in small.items()
                if payload is not None and key not in heads
            )
            if not heads:
                break
            read = self._large.read(heads)
            payloads.update(read.payloads)
            found = self._items(read.problems)
            for key, problem in read.problems.items():
                if not rounds or found.get(key) == heads[key]:
                    raise problem
        return payloads

    def _is_expired(self, item: Item) -> bool:
        return items.is_expired(item, self.clock.now())


class _SuccessError(Exception):
    """A success is stored, which no state replaces."""

    def __init__(self, item: Item) -> None:
        super().__init__()
        self.item = item


def _stored_status(item: Item, status_of: Callable[[bytes], str]) -> str | None:
    status = text_of(item, items.STATUS)
    if status is not None:
        return status
    payload = binary_of(item, items.RESULT)
    return status_of(payload) if payload else None
