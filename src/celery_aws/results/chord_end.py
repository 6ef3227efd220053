"""The end of a chord: its body is sent with what the header returned, or its error is told.

By the one caller that holds the chord's claim. Facts: celery/backends/redis.py of 5.7
(``on_chord_part_return``), whose three errors are told in the same words; celery/backends/base.py
(``chord_error_from_stack``).
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from celery import Celery, states
from celery.canvas import maybe_signature
from celery.exceptions import ChordError
from celery.result import GroupResult

from celery_aws.core.chords import Part
from celery_aws.errors import AwsError
from celery_aws.results.chord_items import part_key
from celery_aws.results.chord_ledger import ChordLedger, Claim
from celery_aws.results.chord_values import Meta, ids_in, in_a_row, in_structure
from celery_aws.results.retries import Retries

logger = logging.getLogger(__name__)

#: The option of a chord's body in which the messages of its header carry the layout of its record.
LAYOUT = "chord_layout"


class ChordEnd:
    """One chord that is complete and claimed.

    Args:
        backend: the result backend.
        claim: on the chord.
        request: of the task whose return made it complete.
    """

    def __init__(self, backend: Any, claim: Claim, request: Any) -> None:
        self._backend = backend
        self._ledger: ChordLedger = backend.ledger
        self._retries: Retries = backend.retries
        self._claim = claim
        self._group_id = request.group
        self._callback = maybe_signature(request.chord, app=backend.app)
        # Not taken out of them: they are the request's, whose part may have to be told again.
        options = self._callback.options
        self._callback.options = {name: options[name] for name in options if name != LAYOUT}
        #: Keys of what nobody needs after the chord.
        self._leftovers: list[bytes] = []

    def reach(self) -> None:
        """Send the body or tell the error, then forget the chord.

        Costs a BatchGetItem for each 100 parts, a PutItem, an UpdateItem if that took long, two
        requests and more for the shards of a large chord, and the sending of the body.
        """
        try:
            values = self._values()
            if not self._still_claimed():
                return
            self._send(values)
        except ChordError as error:
            # Who took over may have sent the body, and deleted what was looked for here.
            if not self._still_claimed():
                return
            logger.exception("Chord %r failed", self._group_id)
            self._backend.chord_error_from_stack(self._callback, error)
        self._finish()

    def _values(self) -> list[Any]:
        with _told_as("Join"):
            parts = self._parts()
            if not self._claim.root.is_nested:
                metas = self._metas(parts, [part.task_id for part in parts])
                return in_a_row(parts, metas)
            header = GroupResult.restore(self._group_id, backend=self._backend)
            if header is None:
                raise ChordError(f"GroupResult {self._group_id} no longer exists")
            self._leftovers.append(self._backend.get_key_for_group(self._group_id))
            return in_structure(header.results, self._metas(parts, ids_in(header.results)))

    def _parts(self) -> list[Part]:
        parts = self._retries.of_store(lambda: self._ledger.parts(self._claim))
        missing = (self._claim.root.total or 0) - len(parts)
        if missing > 0:
            raise ChordError(f"{missing} of its parts have expired before the last one came")
        return parts

    def _metas(self, parts: Sequence[Part], task_ids: Iterable[str]) -> dict[str, Meta]:
        """Return how the header's tasks ended, by id.

        First as any task's result, then, where that does not say (the task ignores its result, or
        runs again), as it was when its part was recorded.
        """
        metas = self._ended({each: self._backend.get_key_for_task(each) for each in task_ids})
        key = self._claim.key
        kept = [part for part in parts if part.task_id not in metas]
        metas.update(self._ended({part.task_id: part_key(key, part) for part in kept}))
        failed = [part for part in parts if _failed(metas.get(part.task_id))]
        self._leftovers.extend({part_key(key, part) for part in (*kept, *failed)})
        return metas

    def _ended(self, keys: Mapping[str, bytes]) -> dict[str, Meta]:
        if not keys:
            return {}
        payloads = self._retries.of_store(lambda: self._backend.store.read_many(keys.values()))
        metas = {
            task_id: self._backend.decode_result(payloads[key])
            for task_id, key in keys.items()
            if key in payloads
        }
        return {
            task_id: meta
            for task_id, meta in metas.items()
            if meta["status"] in states.READY_STATES
        }

    def _still_claimed(self) -> bool:
        held = self._retries.of_store(lambda: self._ledger.hold(self._claim))
        if held is None:
            logger.warning("Chord %r: somebody else has taken over its end", self._group_id)
            return False
        self._claim = held
        return True

    def _finish(self) -> None:
        try:
            self._retries.of_store(lambda: self._ledger.finish(self._claim, self._leftovers))
        except AwsError as error:
            # The body is on its way, and the task that ends here has succeeded or failed long ago.
            logger.warning(
                "Chord %r: it is finished, and that could not be written down; a part that comes "
                "again sends its body again, with the same task id: %s",
                self._group_id,
                error,
            )

    def _send(self, values: list[Any]) -> None:
        with _told_as("Callback"):
            _publish(self._backend.app, self._callback.delay, values)


def _failed(meta: Meta | None) -> bool:
    return meta is not None and meta["status"] in states.PROPAGATE_STATES


@contextmanager
def _told_as(stage: str) -> Iterator[None]:
    """Turn whatever goes wrong into a chord's error, for the body's caller to hear of."""
    try:
        yield
    except ChordError:
        raise
    except Exception as error:
        raise ChordError(f"{stage} error: {error!r}") from error


def _publish(app: Celery, send: Callable[..., Any], values: list[Any]) -> None:
    # Celery 5.7 sends what follows a task with waits between its tries.
    retrying = getattr(app.amqp, "_retry_publish", None)
    if retrying is None:
        send(values)
    else:
        retrying(send, values)
