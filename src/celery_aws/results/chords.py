"""Chords, as Celery asks for them: a body that is sent once every part of its header has returned.

The record of the parts is :mod:`celery_aws.results.chord_ledger`; this says what Celery's calls
mean for it. Redis is the measure (celery/backends/redis.py of 5.7): a header's error reaches the
body's result and its errbacks as ``ChordError``, results are in the header's order, header tasks
that ignore their results still hand them to the body, and a generator is not unrolled early.

A chord that Celery's own DynamoDB backend began is finished by its counter, and with the option
``stock_chords`` chords are begun so: see :mod:`celery_aws.results.counted_chords`.
"""

import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias, TypeVar

from celery import states
from celery.canvas import maybe_signature
from celery.exceptions import BackendStoreError, ChordError
from celery.result import AsyncResult, GroupResult, ResultBase
from kombu.utils.encoding import ensure_bytes

from celery_aws.core.attributes import Item
from celery_aws.core.chords import Part, layout_of, load_layout
from celery_aws.errors import AwsError
from celery_aws.results.chord_end import LAYOUT, ChordEnd
from celery_aws.results.chord_items import part_key
from celery_aws.results.chord_ledger import ChordLedger, Claim, Outcome
from celery_aws.results.chord_values import ids_in
from celery_aws.results.counted_chords import CountedChords
from celery_aws.results.retries import Retries
from celery_aws.results.store import ResultStore

logger = logging.getLogger(__name__)

T = TypeVar("T")

Store: TypeAlias = Callable[[], Any]


class Chords(CountedChords):
    """The part of the backend that has to do with chords; mixed into it."""

    app: Any
    store: ResultStore
    ledger: ChordLedger
    retries: Retries
    #: Begin chords so that workers with Celery's own backend can finish them.
    stock_chords: bool
    #: The chord that this thread has begun and not yet told the size of, and its size.
    _begun: threading.local

    def apply_chord(self, header_result_args: tuple[str, Any], body: Any, **_: Any) -> None:
        """Begin a chord; Celery sends its header next.

        Costs one PutItem, or two if there are groups in its header.
        """
        self.ensure_chords_allowed()  # type: ignore[attr-defined]
        if self.stock_chords:
            self._begin_counted_chord(header_result_args, body)
            return
        group_id, results = header_result_args
        # Of a generator Celery makes a kind of list, which is to be sent while it is unrolled.
        header = results if type(results) is list else []
        size = len(header) if header and all(map(_is_single, header)) else None
        body.options.pop(LAYOUT, None)
        layout = layout_of(tasks=len(ids_in(header)), is_flat=size is not None).dump()
        if layout:
            body.options[LAYOUT] = layout
        is_nested = any(isinstance(each, GroupResult) for each in header)
        key = self._chord_key(group_id)
        self.retries.of_store(lambda: self.ledger.begin(key, size=size, is_nested=is_nested))
        if is_nested:
            # Not before: the end of an earlier run of the same chord deletes what that saved.
            saved = self.app.GroupResult(group_id, header)
            self._save_group(group_id, saved)  # type: ignore[attr-defined]
        self._begun.chord = (group_id, size)

    def set_chord_size(self, group_id: str, chord_size: int) -> None:
        """Say how many parts a chord has, before its last header task is sent.

        Costs one UpdateItem, or nothing if the chord was begun with its size.
        """
        if getattr(self._begun, "chord", None) != (group_id, chord_size):
            key = self._chord_key(group_id)
            self.retries.of_store(lambda: self.ledger.set_size(key, chord_size))

    def add_to_chord(self, chord_id: str, result: ResultBase) -> None:
        """Let a chord wait for one more task (``Task.add_to_chord``). One UpdateItem.

        Raises:
            NotImplementedError: Celery's own backend began the chord.
        """
        key, task_id = self._chord_key(chord_id), str(result.id)
        if not self.retries.of_store(lambda: self.ledger.add(key, task_id)):
            raise NotImplementedError(
                f"nothing can be added to chord {chord_id}: it is finished, has expired, or was "
                "begun by Celery's own DynamoDB backend"
            )

    def mark_as_done(
        self,
        task_id: str,
        result: Any,
        request: Any = None,
        store_result: bool = True,
        state: str = states.SUCCESS,
    ) -> None:
        """Store what a task returned, and tell the chord that it is a part of.

        Costs one PutItem, and for a part of a chord what :meth:`on_chord_part_return` costs.
        """
        is_part = bool(request and request.chord and request.group)
        store: Store | None = None
        if store_result and not getattr(request, "ignore_result", False):
            store = partial(self.store_result, task_id, result, state, request=request)  # type: ignore[attr-defined]
        # With this setting Celery takes a redelivered task whose success is stored for done, its
        # part included: so the part is recorded first.
        part_first = is_part and self.app.conf.worker_deduplicate_successful_tasks
        if store is not None and not part_first:
            store()
        if is_part:
            stored = store is not None and not part_first
            later = store if part_first else None
            self.on_chord_part_return(request, state, result, stored=stored, store=later)

    def on_chord_part_return(
        self,
        request: Any,
        state: str,
        result: Any,
        *,
        stored: bool = False,
        store: Store | None = None,
        **_: Any,
    ) -> None:
        """Record that a header task has ended, and send the body if it was the last.

        Args:
            request: the task's.
            state: it ended in.
            result: what it returned, or its exception.
            stored: a success, with its result in the table.
            store: puts it there, once the part is recorded.

        Costs one UpdateItem for most parts; a PutItem more for one that failed or ignores its
        result, or with ``worker_deduplicate_successful_tasks``. The last one costs some six more,
        and a BatchGetItem for each 100 parts.
        """
        if not request.group or not request.id:
            return
        part = Part(index=request.group_index, task_id=request.id)
        try:
            if not stored:
                # A failure may be followed by another try of its task, and its state with it.
                self._keep_value(request, part, state, result)
            outcome = self._record(request, part)
        except (AwsError, BackendStoreError) as error:
            # To raise would make a failure of the task, which has ended as it has, and not help.
            self.lose_part(request, error)
            outcome = Outcome.NOTHING
        if store is not None:
            store()
        try:
            if outcome is Outcome.COUNTED:
                super().on_chord_part_return(request, state, result)  # type: ignore[misc]
            elif isinstance(outcome, Claim):
                ChordEnd(self, outcome, request).reach()
        except (AwsError, BackendStoreError) as error:
            self.lose_part(request, error)

    def _record(self, request: Any, part: Part) -> Claim | Outcome:
        key = self._chord_key(request.group)
        layout = load_layout((request.chord.get("options") or {}).get(LAYOUT))
        # Celery 5.5 tries nothing again but to store and to read a state.
        retrying = getattr(self, "_ensure_retryable", _once)
        outcome: Claim | Outcome = retrying(
            self.retries.of_store, lambda: self.ledger.record(key, part, layout)
        )
        return outcome

    def chord_root(self, group_id: str) -> Item | None:
        """Return the root of a chord, finished or not; None if it is not here. One GetItem."""
        return self.retries.of_store(lambda: self.store.item(self._chord_key(group_id)))

    def lose_part(self, request: Any, error: Exception) -> None:
        """Tell the log and the chord's caller that a part's return could not be recorded."""
        logger.critical(
            "chord %s: the return of its task %s could not be recorded, or its body not be sent, "
            "which only changes if the message of the task comes again: %s",
            request.group,
            request.id,
            error,
        )
        lost = ChordError(f"The return of task {request.id} could not be recorded: {error!r}")
        lost.__cause__ = error
        try:
            callback = maybe_signature(request.chord, app=self.app)
            self.chord_error_from_stack(callback, lost)  # type: ignore[attr-defined]
        except (AwsError, BackendStoreError) as untold:
            logger.critical("chord %s: nor could its caller be told: %s", request.group, untold)

    def _keep_value(self, request: Any, part: Part, state: str, result: Any) -> None:
        self.keep_part(request.group, part, state, self.encode_result(result, state))  # type: ignore[attr-defined]

    def keep_part(self, group_id: str, part: Part, state: str, encoded_result: Any) -> None:
        """Keep what a part returned beside its chord, until that is finished. One PutItem.

        Args:
            group_id: the chord.
            part: which.
            state: it ended in.
            encoded_result: as :meth:`encode_result` returns it.
        """
        key = part_key(self._chord_key(group_id), part)
        meta = {"status": state, "result": encoded_result, "task_id": part.task_id}
        payload = ensure_bytes(self.encode(meta))  # type: ignore[attr-defined]
        self.retries.of_store(
            lambda: self.store.write(key, payload, life_seconds=self.ledger.life_seconds)
        )

    def _chord_key(self, group_id: str) -> bytes:
        key: bytes = self.get_key_for_chord(group_id)  # type: ignore[attr-defined]
        return key


def _once(function: Callable[..., T], *args: Any) -> T:
    return function(*args)


def _is_single(result: ResultBase) -> bool:
    """Tell whether a header's element is one task; a chain's or a chord's result has a parent."""
    return isinstance(result, AsyncResult) and result.parent is None
