"""Chords in flight in a Redis, as Celery's backend counts them, and how one is closed there.

Under the group's key: ``.s`` how many tasks the header has, ``.t`` how many were added, ``.j`` what
those returned that have ended, ``.d`` which they are, ``.c`` who sends the body (the last two since
Celery 5.7). Without ``.s`` no return ends the chord, and when its body is sent ``.s`` is deleted.
Of a chord that has failed Celery leaves ``.j``, and before 5.7 ``.s`` too, until they expire.
A chord that is closed has ``.moved`` behind its keys: nothing is lost of it, and nothing ends it.

Facts: celery/backends/redis.py of 5.5 to 5.7, ``on_chord_part_return`` and ``add_to_chord``.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from celery.states import PROPAGATE_STATES
from kombu.exceptions import ContentDisallowed, DecodeError

from celery_aws.core.chords import Part

SIZE, ADDED, RETURNED, CLAIM, MEMBERS = ".s", ".t", ".j", ".c", ".d"
MOVED = ".moved"

_LIST = b"list"


class Closing(Enum):
    """What became of a chord that was to be closed."""

    #: It is closed, now or since before.
    CLOSED = "closed"
    #: All its parts are there, or are there without their places in the header, so that they would
    #: not be known again and count twice: Redis's workers end it.
    ENDING = "ending"
    #: It is not there, or over.
    ABSENT = "absent"


@dataclass(frozen=True, kw_only=True)
class StoredPart:
    """What a header task returned.

    Attributes:
        part: which.
        state: it ended in.
        result: as Celery's backend encodes it.
    """

    part: Part
    state: str
    result: Any


@dataclass(frozen=True, kw_only=True)
class ClosedChord:
    """A chord that was closed.

    Attributes:
        size: how many parts it has.
        parts: those that were there.
        group: its saved header, encoded, if that has groups in it.
    """

    size: int
    parts: Sequence[StoredPart]
    group: bytes | None


class RedisChords:
    """The chords of one backend; threads may share it.

    Args:
        backend: Celery's.
    """

    def __init__(self, backend: Any) -> None:
        self.backend = backend

    def parts_of(self, group_ids: Sequence[str]) -> dict[str, tuple[int, int]]:
        """Return how many parts of each chord have come, of how many; not of those that are over.

        Costs three commands for each, in one round trip, and one more; and the parts of those that
        are complete.
        """
        with self.backend.client.pipeline(transaction=False) as pipe:
            for each in group_ids:
                pipe.type(self._key(each, RETURNED))
                pipe.get(self._key(each, SIZE))
                pipe.get(self._key(each, ADDED))
            answers = pipe.execute()
            kinds, sizes, added = answers[::3], answers[1::3], answers[2::3]
            for each, kind in zip(group_ids, kinds, strict=True):
                self._count(pipe, kind, self._key(each, RETURNED))
            counts = pipe.execute()
        found = {
            each: (int(count), int(size) + int(more or 0))
            for each, count, size, more in zip(group_ids, counts, sizes, added, strict=True)
            if size is not None
        }
        return {
            each: (count, total)
            for each, (count, total) in found.items()
            if count < total or not self._has_failed(each)
        }

    def in_flight(self, group_ids: Sequence[str]) -> set[str]:
        """Return those of chords whose bodies are still to be sent. Costs as :meth:`parts_of`."""
        with self.backend.client.pipeline(transaction=False) as pipe:
            for each in group_ids:
                pipe.exists(self._key(each, SIZE + MOVED))
            closed = pipe.execute()
        is_closed = zip(group_ids, closed, strict=True)
        return {*self.parts_of(group_ids), *(each for each, there in is_closed if there)}

    def has_size(self, group_id: str) -> bool:
        """Tell whether it is known how many parts a chord has, be it closed or not."""
        names = (self._key(group_id, SIZE), self._key(group_id, SIZE + MOVED))
        return bool(self.backend.client.exists(*names))

    def is_nested(self, group_id: str) -> bool:
        """Tell whether the structure of a chord's header is kept."""
        return bool(self.backend.client.exists(self._key(group_id)))

    def add(self, group_id: str) -> bool:
        """Let a chord wait for one more task; tell whether it was there to be told.

        If not, it is closed, or its size is not known yet.
        """
        with self.backend.client.pipeline(transaction=True) as pipe:
            pipe.incr(self._key(group_id, ADDED))
            pipe.exists(self._key(group_id, SIZE))
            return bool(pipe.execute()[1])

    def close(self, group_id: str) -> Closing:
        """Let no return of a part end a chord any more, unless all have returned."""
        names = [self._key(group_id, each) for each in (SIZE, ADDED, RETURNED, CLAIM)]

        def close(pipe: Any) -> Closing:
            size = pipe.get(names[0])
            if size is None:
                moved = pipe.exists(self._key(group_id, SIZE + MOVED))
                return Closing.CLOSED if moved else Closing.ABSENT
            kind = pipe.type(names[2])
            if _is_list(kind):
                return Closing.ENDING
            returned = self._count(pipe, kind, names[2])
            total = int(size) + int(pipe.get(names[1]) or 0)
            if pipe.exists(names[3]) or returned >= total:
                return Closing.ENDING
            there = [
                each for each in (SIZE, ADDED, RETURNED) if pipe.exists(self._key(group_id, each))
            ]
            pipe.multi()
            for each in there:
                pipe.rename(self._key(group_id, each), self._key(group_id, each + MOVED))
            pipe.delete(self._key(group_id, MEMBERS))
            return Closing.CLOSED

        closing: Closing = self.backend.client.transaction(close, *names, value_from_callable=True)
        return closing

    def closed(self, group_id: str) -> ClosedChord | None:
        """Return a chord that was closed; None if it has been forgotten."""
        with self.backend.client.pipeline(transaction=True) as pipe:
            pipe.get(self._key(group_id, SIZE + MOVED))
            pipe.get(self._key(group_id, ADDED + MOVED))
            pipe.get(self._key(group_id))
            pipe.zrange(self._key(group_id, RETURNED + MOVED), 0, -1, withscores=True)
            size, added, group, returned = pipe.execute()
        if size is None:
            return None
        parts = tuple(self._parts(returned))
        return ClosedChord(size=int(size) + int(added or 0), parts=parts, group=group)

    def late(self, group_id: str) -> Sequence[StoredPart]:
        """Return the parts that came after a chord was closed; none that have no places."""
        key = self._key(group_id, RETURNED)
        kind = self.backend.client.type(key)
        return () if _is_list(kind) else self._there(key, kind)

    def forget(self, group_id: str) -> None:
        """Delete what was kept of a chord that was closed."""
        self.backend.client.delete(
            *(self._key(group_id, each + MOVED) for each in (SIZE, ADDED, RETURNED))
        )

    def _has_failed(self, group_id: str) -> bool:
        """Tell of a complete chord whether one of its parts has failed, and so the chord."""
        key = self._key(group_id, RETURNED)
        try:
            parts = self._there(key, self.backend.client.type(key))
            return any(part.state in PROPAGATE_STATES for part in parts)
        except (ContentDisallowed, DecodeError):
            return False

    def _there(self, key: bytes, kind: Any) -> tuple[StoredPart, ...]:
        with self.backend.client.pipeline(transaction=False) as pipe:
            self._read(pipe, kind, key)
            return tuple(self._parts(pipe.execute()[0]))

    def _parts(self, returned: Sequence[Any]) -> Iterator[StoredPart]:
        for entry in returned:
            encoded, place = entry if isinstance(entry, tuple) else (entry, math.inf)
            _, task_id, state, result = self.backend.decode(encoded)
            index = None if math.isinf(place) else int(place)
            yield StoredPart(
                part=Part(index=index, task_id=str(task_id)), state=state, result=result
            )

    @staticmethod
    def _count(pipe: Any, kind: Any, key: bytes) -> Any:
        return pipe.llen(key) if _is_list(kind) else pipe.zcard(key)

    @staticmethod
    def _read(pipe: Any, kind: Any, key: bytes) -> None:
        if _is_list(kind):
            pipe.lrange(key, 0, -1)
        else:
            pipe.zrange(key, 0, -1, withscores=True)

    def _key(self, group_id: str, suffix: str = "") -> bytes:
        key: bytes = self.backend.get_key_for_group(group_id, suffix)
        return key


def _is_list(kind: Any) -> bool:
    """Tell whether parts are in a list, without places: with ``result_chord_ordered=False``."""
    return kind in (_LIST, _LIST.decode())
