"""Chords by the counter of Celery's own DynamoDB backend, so that its workers and ours share them.

Every header task adds one to a counter item; who reaches the chord's size sends the body
(celery/backends/base.py, ``on_chord_part_return``). The counter is what stock makes it: a
redelivered header task counts twice, a generator is unrolled early, and a part costs two requests
more. It is for the time in which workers with both backends take from one queue.
"""

from typing import Any

from celery_aws.results.lifetimes import Lifetimes
from celery_aws.results.store import ResultStore


class CountedChords:
    """The part of the backend that counts chord parts as stock does; mixed into it."""

    store: ResultStore
    lifetimes: Lifetimes

    def incr(self, key: bytes) -> int:
        """Count one returned part, and return how many have. One UpdateItem.

        A missing counter (expired, or lost with its table) starts from zero.
        """
        return self.store.count(key, life_seconds=self.lifetimes.chord)

    def expire(self, key: bytes, value: Any) -> None:
        """Do nothing: every item gets its expiry when it is written.

        Celery calls this three times for each part of a chord; a request each would cost
        more than the chord itself.
        """

    def _begin_counted_chord(self, header_result_args: Any, body: Any, **kwargs: Any) -> None:
        # A stock worker cannot count on a missing item, so the item is made first.
        key = self.get_key_for_chord(header_result_args[0])  # type: ignore[attr-defined]
        self.store.start_count(key, life_seconds=self.lifetimes.chord)
        self._apply_chord_incr(header_result_args, body, **kwargs)  # type: ignore[attr-defined]
