"""The results in a Redis, as Celery's backend keeps them: found, and read in batches.

Everything through the backend's own client, so that prefix, TLS, password and sentinel are its own.
Commands: SCAN, STRLEN, GET, PTTL; no KEYS, nothing that ElastiCache forbids. SCAN finds all that
is there from its beginning to its end, some of it twice. Facts: celery/backends/redis.py, names
of keys; the reference of Redis on SCAN.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from kombu.utils.encoding import bytes_to_str, ensure_bytes

from celery_aws.clock import Clock

#: Keys that one SCAN looks at.
SCAN_COUNT = 1_000

#: Bytes of results that are read together, at most, unless one alone is larger.
READ_BYTES = 8 * 1_024 * 1_024

_GONE = -2
_FOR_EVER = -1

_SUFFIX = re.compile(rb"(.+)\.([sjtdc])(\.moved)?", re.DOTALL)


class Kind(Enum):
    """What a key is."""

    TASK = "task"
    GROUP = "group"
    #: One of the keys of a chord in flight.
    CHORD = "chord"


@dataclass(frozen=True, kw_only=True)
class ResultKey:
    """A key of Redis.

    Attributes:
        key: as it is.
        kind: what it is.
        id: of the task, the group or the chord.
        suffix: which of a chord's, such as ``.s``.
    """

    key: bytes
    kind: Kind
    id: str
    suffix: str = ""


@dataclass(frozen=True, kw_only=True)
class StoredResult:
    """What is under a key.

    Attributes:
        at: where it was.
        payload: the encoded meta; None if it is no text, and so none of Celery's.
        left_milliseconds: until it expires; None is never.
        read_at: when that was so.
    """

    at: ResultKey
    payload: bytes | None
    left_milliseconds: int | None
    read_at: datetime


class RedisResults:
    """The results of one backend on Redis; threads may share it.

    Args:
        backend: Celery's.
        clock: tells when something was read.
    """

    def __init__(self, backend: Any, clock: Clock) -> None:
        self.backend = backend
        self._clock = clock

    def found(self) -> Iterator[ResultKey]:
        """Yield all keys of results. One SCAN for each 1,000 keys of the database."""
        # What names of tasks and of groups begin with.
        common = ensure_bytes(self.backend.task_keyprefix).removesuffix(b"-meta-")
        pattern = escaped(common) + b"*"
        cursor = 0
        while True:
            cursor, keys = self.backend.client.scan(cursor, match=pattern, count=SCAN_COUNT)
            for key in dict.fromkeys(map(ensure_bytes, keys)):
                named = self.name(key)
                if named is not None:
                    yield named
            if not cursor:
                return

    def name(self, key: bytes) -> ResultKey | None:
        """Return what a key is, or None if it is none of results."""
        task, group = map(ensure_bytes, (self.backend.task_keyprefix, self.backend.group_keyprefix))
        if key in (task, group):
            return None  # Celery has no name for an empty id
        if key.startswith(task):
            return ResultKey(key=key, kind=Kind.TASK, id=bytes_to_str(key[len(task) :]))
        if not key.startswith(group):
            return None
        found = _SUFFIX.fullmatch(key[len(group) :])
        if found is None:
            return ResultKey(key=key, kind=Kind.GROUP, id=bytes_to_str(key[len(group) :]))
        suffix = b"." + found[2] + (found[3] or b"")
        return ResultKey(
            key=key, kind=Kind.CHORD, id=bytes_to_str(found[1]), suffix=bytes_to_str(suffix)
        )

    def read(self, keys: Sequence[ResultKey]) -> Iterator[StoredResult]:
        """Yield what is under keys; what has expired is left out.

        Costs two round trips for up to :data:`READ_BYTES`, and one for each more of these.
        """
        lengths = self._ask([("STRLEN", each.key) for each in keys])
        together: list[ResultKey] = []
        size = 0
        for each, length in zip(keys, lengths, strict=True):
            if isinstance(length, Exception):
                yield StoredResult(
                    at=each, payload=None, left_milliseconds=None, read_at=self._clock.now()
                )
                continue
            if together and size + length > READ_BYTES:
                yield from self._read(together)
                together, size = [], 0
            together.append(each)
            size += length
        if together:
            yield from self._read(together)

    def _read(self, keys: Sequence[ResultKey]) -> Iterator[StoredResult]:
        answers = self._ask([(command, each.key) for each in keys for command in ("GET", "PTTL")])
        now = self._clock.now()
        for each, payload, left in zip(keys, answers[::2], answers[1::2], strict=True):
            if payload is None or left == _GONE:
                continue
            yield StoredResult(
                at=each,
                payload=None if isinstance(payload, Exception) else ensure_bytes(payload),
                left_milliseconds=None if left == _FOR_EVER else int(left),
                read_at=now,
            )

    def _ask(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        with self.backend.client.pipeline(transaction=False) as pipe:
            for command in commands:
                pipe.execute_command(*command)
            answers: list[Any] = pipe.execute(raise_on_error=False)
        for answer in answers:
            if isinstance(answer, Exception) and not _is_of_wrong_type(answer):
                raise answer
        return answers


def escaped(text: bytes) -> bytes:
    """Return a text as a pattern of Redis that nothing else matches."""
    return re.sub(rb"([*?\[\]\\^-])", rb"\\\1", text)


def _is_of_wrong_type(error: Exception) -> bool:
    return str(error).startswith("WRONGTYPE")
