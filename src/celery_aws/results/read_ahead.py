"""Reads of tasks, one by one as Celery asks for them, some of them ahead of the question.

What may be answered from what was read before is in :mod:`celery_aws.core.read_ahead`; this
file asks it, and reads. Two kinds of answers come from memory: those of a scan over a group,
and those that a waiting caller has just fetched for Celery to look at (:meth:`offering`).

All of it belongs to one thread (or greenlet): threads may share a backend object. A forked
child takes over what its thread had read at most 100 ms ago, and nothing that is locked.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias

from celery import states

from celery_aws.clock import Clock
from celery_aws.core.read_ahead import Scan
from celery_aws.core.result_order import ResultOrder
from celery_aws.results.retries import Retries
from celery_aws.results.store import ResultStore

Meta: TypeAlias = dict[str, Any]

#: What is stored for a task, encoded; None if nothing is.
Payload: TypeAlias = bytes | None


class ReadAhead(threading.local):
    """What one thread of a process has read ahead; the order is shared by all of them."""

    def __init__(self, order: ResultOrder) -> None:
        self.scan = Scan(order)
        self.offered: dict[str, Payload] = {}
        self._order = order
        self._added: str | None = None

    def remember(self, task_ids: Iterable[str]) -> None:
        """Remember that results are asked for in this order, if one by one."""
        self._order.remember(task_ids)

    def add(self, task_id: str) -> None:
        """Remember that a result comes behind the one that this thread has added before."""
        self._order.remember([task_id], behind=self._added)
        self._added = task_id

    def drop(self) -> None:
        """Forget what was read: the thread does something else with the backend."""
        self.scan.drop()


class ReadingAhead:
    """The part of the backend that reads tasks; mixed into it."""

    store: ResultStore
    clock: Clock
    read_ahead: ReadAhead
    retries: Retries

    def add_pending_result(self, result: Any, weak: bool = False) -> Any:  # noqa: ARG002
        """Remember in which order the results of a group were made. No request.

        Celery calls it for every result that somebody may wait for, and for the members of a
        group one after another.
        """
        self.read_ahead.add(result.id)
        return result

    def get_task_meta(self, task_id: str, cache: bool = True) -> Meta:
        """Return what is known of a task.

        Args:
            task_id: the task.
            cache: whether an answer from memory will do.

        Costs one GetItem; in a scan over a group, one BatchGetItem for 4, 16, 64 and then 100
        results.
        """
        if not cache:
            self.read_ahead.drop()
        meta: Meta = super().get_task_meta(task_id, cache=cache)  # type: ignore[misc]
        return meta

    @contextmanager
    def offering(self, payloads: Mapping[str, Payload]) -> Iterator[None]:
        """Answer this thread's questions with what it has just read, each once, until the end.

        Args:
            payloads: by task.
        """
        self.read_ahead.offered = dict(payloads)
        try:
            yield
        finally:
            self.read_ahead.offered = {}

    def read_payloads(self, task_ids: Iterable[str]) -> dict[str, Payload]:
        """Return what is stored for each of ``task_ids``. One BatchGetItem for each 100.

        Read anew, and tried again as ``result_backend_always_retry`` says.
        """
        self.read_ahead.drop()
        return self._retrying(self._read_payloads, list(task_ids))

    def meta_of(self, payload: Payload) -> Meta:
        """Return what a payload says; nothing stored is pending."""
        if not payload:
            return {"status": states.PENDING, "result": None}
        meta: Meta = self.decode_result(payload)  # type: ignore[attr-defined]
        return meta

    def _get_task_meta_for(self, task_id: str) -> Meta:
        offered = self.read_ahead.offered
        if task_id in offered:
            return self.meta_of(offered.pop(task_id))
        meta = self._told_ahead(task_id)
        if meta is None:
            meta = self.meta_of(self._read_on(task_id))
        self.read_ahead.scan.told(self.clock.monotonic(), has_ended=_has_ended(meta))
        return meta

    def _told_ahead(self, task_id: str) -> Meta | None:
        entry = self.read_ahead.scan.take(task_id, self.clock.monotonic())
        if entry is None:
            return None
        meta = self.meta_of(entry.payload)
        return meta if entry.may_be_told(has_ended=_has_ended(meta)) else None

    def _read_on(self, task_id: str) -> Payload:
        scan = self.read_ahead.scan
        task_ids = scan.to_read(task_id, self.clock.monotonic())
        found = self._read_small(task_ids) if len(task_ids) > 1 else {}
        if task_id not in found:
            key = self._key_of(task_id)
            found[task_id] = self.retries.of_read(lambda: self.store.read(key))
        scan.read(found, self.clock.monotonic())
        return found[task_id]

    def _read_small(self, task_ids: list[str]) -> dict[str, Payload]:
        # Nobody has asked for the others yet: a hundred large results are a gigabyte.
        keys = {task_id: self._key_of(task_id) for task_id in task_ids}
        small = self.retries.of_read(lambda: self.store.read_small(keys.values()))
        return {task_id: small[key] for task_id, key in keys.items() if key in small}

    def _read_payloads(self, task_ids: list[str]) -> dict[str, Payload]:
        keys = {task_id: self._key_of(task_id) for task_id in task_ids}
        found = self.retries.of_read(lambda: self.store.read_many(keys.values()))
        return {task_id: found.get(key) for task_id, key in keys.items()}

    def _retrying(
        self, read: Callable[[list[str]], dict[str, Payload]], task_ids: list[str]
    ) -> dict[str, Payload]:
        # Celery 5.5 has none, and does not retry its own batches either.
        retrying = getattr(self, "_ensure_retryable", None)
        if retrying is None:
            return read(task_ids)
        found: dict[str, Payload] = retrying(read, task_ids)
        return found

    def _key_of(self, task_id: str) -> bytes:
        key: bytes = self.get_key_for_task(task_id)  # type: ignore[attr-defined]
        return key


def _has_ended(meta: Meta) -> bool:
    return meta["status"] in states.READY_STATES
