"""Chords in flight in a Redis, as Celery's backend counts them.

Under the group's key: ``.s`` how many tasks the header has, ``.t`` how many were added, ``.j`` what
those returned that have ended, ``.c`` who sends the body (since Celery 5.7). When the body is sent,
``.s`` is deleted. Facts: celery/backends/redis.py of 5.5 to 5.7, ``on_chord_part_return``.
"""

from collections.abc import Sequence
from typing import Any

_LIST = b"list"


class RedisChords:
    """The chords of one backend; threads may share it.

    Args:
        backend: Celery's.
    """

    def __init__(self, backend: Any) -> None:
        self._backend = backend

    def parts_of(self, group_ids: Sequence[str]) -> dict[str, tuple[int, int]]:
        """Return how many parts of each chord have come, of how many; not of those that are over.

        Costs three commands for each, in one round trip, and one more.
        """
        client = self._backend.client
        with client.pipeline(transaction=False) as pipe:
            for each in group_ids:
                pipe.type(self._key(each, ".j"))
                pipe.get(self._key(each, ".s"))
                pipe.get(self._key(each, ".t"))
            answers = pipe.execute()
            kinds, sizes, added = answers[::3], answers[1::3], answers[2::3]
            for each, kind in zip(group_ids, kinds, strict=True):
                count = pipe.llen if kind in (_LIST, _LIST.decode()) else pipe.zcard
                count(self._key(each, ".j"))
            counts = pipe.execute()
        return {
            each: (int(count), int(size) + int(more or 0))
            for each, count, size, more in zip(group_ids, counts, sizes, added, strict=True)
            if size is not None
        }

    def _key(self, group_id: str, suffix: str) -> bytes:
        key: bytes = self._backend.get_key_for_group(group_id, suffix)
        return key
