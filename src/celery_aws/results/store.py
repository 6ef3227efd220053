"""The results table as Celery's backend needs it: read, write, count, never undo a success.

It knows items and AWS and nothing of tasks. A state is one conditional PutItem; only when
that meets an item of Celery's own backend, which has no ``status`` to condition on, does it
look into the stored meta and write once more. The table is made when the first write finds
none and the settings allow it; a read that finds none finds no result.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from celery import states

from celery_aws.aws.dynamodb import TableService
from celery_aws.aws.table_schema import TableSpec
from celery_aws.clock import Clock
from celery_aws.core.attributes import Item, binary_of, item_bytes, number_of, text_of
from celery_aws.core.backoff import Random
from celery_aws.core.conditions import Condition, any_of
from celery_aws.errors import ConditionFailedError, InvalidRequestError, TableNotFoundError
from celery_aws.limits import DYNAMODB_ITEM_BYTES
from celery_aws.names import TableName
from celery_aws.results import items
from celery_aws.results.table import RESULTS_TABLE
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

    def read(self, key: bytes) -> bytes | None:
        """Return what is stored under ``key``, or None. One GetItem, consistent."""
        try:
            item = self.service.get_item(self.table, items.key_item(key), consistent=True)
        except TableNotFoundError as error:
            self._tolerate(error)
            return None
        return None if item is None else self._payload(item)

    def read_many(self, keys: Iterable[bytes]) -> dict[bytes, bytes]:
        """Return what is stored, by key. One BatchGetItem for each 100 keys, consistent."""
        by_id = {repr(key): key for key in keys}
        wanted = [items.key_item(key) for key in by_id.values()]
        found: dict[bytes, bytes] = {}
        try:
            for item in read_batches(
                self.service, self.table, wanted, clock=self.clock, random=self.random
            ):
                payload = self._payload(item)
                if payload is not None:
                    found[by_id[text_of(item, items.ID) or ""]] = payload
        except TableNotFoundError as error:
            self._tolerate(error)
        return found

    def write(self, key: bytes, payload: bytes, *, life_seconds: int | None) -> None:
        """Write over whatever is there. One PutItem."""
        now = self.clock.now()
        self._put(items.result_item(key, payload, now=now, life_seconds=life_seconds))

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

        Costs one PutItem, or two over an unfinished state that Celery's own backend wrote.
        """
        now = self.clock.now()
        item = items.result_item(key, payload, now=now, life_seconds=life_seconds, status=status)
        condition = items.may_be_replaced(now)
        rounds = _ROUNDS
        while True:
            rounds -= 1
            try:
                self._put(item, condition=condition)
            except ConditionFailedError as lost:
                if _stored_status(lost.item, status_of) == states.SUCCESS:
                    return False
                if not rounds:
                    raise
                condition = any_of(items.may_be_replaced(now), items.is_still(lost.item))
            else:
                return True

    def delete(self, key: bytes) -> None:
        """Delete what is stored under ``key``, if anything. One DeleteItem."""
        try:
            self.service.delete_item(self.table, items.key_item(key))
        except TableNotFoundError as error:
            self._tolerate(error)

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

    def _put(self, item: Item, *, condition: Condition | None = None) -> None:
        size = item_bytes(item)
        if size > DYNAMODB_ITEM_BYTES:
            raise InvalidRequestError(
                f"the item has {size} bytes, DynamoDB takes {DYNAMODB_ITEM_BYTES}",
                service="dynamodb",
                operation="PutItem",
                resource=self.table,
                remedy="Set result_compression, or store the data elsewhere and return its name",
            )
        self._or_create_table(lambda: self.service.put_item(self.table, item, condition=condition))

    def _or_create_table(self, write: Callable[[], T]) -> T:
        try:
            return write()
        except TableNotFoundError as error:
            self._tolerate(error)
        logger.warning("results table %s does not exist: creating it", self.table)
        ensure_table(self.service, self.table, self.spec, purpose=RESULTS_TABLE, clock=self.clock)
        return write()

    def _tolerate(self, error: TableNotFoundError) -> None:
        # A missing table is fine only if the first write makes it.
        if not self.creates_table:
            raise error

    def _payload(self, item: Item) -> bytes | None:
        if items.is_expired(item, self.clock.now()):
            return None
        return binary_of(item, items.RESULT)


def _stored_status(item: Item, status_of: Callable[[bytes], str]) -> str | None:
    status = text_of(item, items.STATUS)
    if status is not None:
        return status
    payload = binary_of(item, items.RESULT)
    return None if payload is None else status_of(payload)
