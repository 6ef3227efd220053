"""What a result backend has, counted without taking or changing anything."""

from collections import Counter
from collections.abc import Iterable
from itertools import islice
from typing import Any

from kombu.utils.encoding import bytes_to_str

from celery_aws.clock import Clock, SystemClock
from celery_aws.core.attributes import binary_of, number_of, text_of
from celery_aws.migrate.inventory import ResultCount
from celery_aws.migrate.results.backend import ResultBackend
from celery_aws.migrate.results.found import answering
from celery_aws.migrate.results.our_results import OurItem, OurResults
from celery_aws.migrate.results.payloads import payload_for
from celery_aws.migrate.results.redis_chords import RedisChords
from celery_aws.migrate.results.redis_results import Kind, RedisResults, ResultKey
from celery_aws.migrate.results.sides import is_on_redis
from celery_aws.results import DynamoDBBackend
from celery_aws.results.chord_items import is_done, root_of
from celery_aws.results.items import RESULT, STATUS, TTL

#: The status of what cannot be read.
UNREADABLE = "UNREADABLE"

#: Keys that are looked at together.
_BATCH = 200


def result_inventory(app: Any, *, clock: Clock | None = None) -> ResultCount | None:
    """Return what the result backend of an app has; of one that reads two, the old one.

    Args:
        app: a Celery app.
        clock: instead of the machine's, for tests.

    Returns:
        None if it is neither on Redis nor ours: others cannot be listed.

    Raises:
        AwsError: AWS or Redis did not answer, or AWS refused.
        ConfigurationError: Redis refused.

    Costs on Redis a SCAN of the database, and each result read once; with ours a Scan of the table,
    in read units all of its size: a GB is 131,072 units.
    """
    clock = SystemClock() if clock is None else clock
    backend = app.backend.old.backend if isinstance(app.backend, ResultBackend) else app.backend
    if isinstance(backend, DynamoDBBackend):
        return _of_ours(backend)
    if not is_on_redis(backend):
        return None
    with answering(backend):
        return _of_redis(backend, clock)


def _of_redis(backend: Any, clock: Clock) -> ResultCount:
    results = RedisResults(backend, clock)
    count = _Count()
    chords: list[str] = []

    seen: set[int] = set()

    def states(found: Iterable[ResultKey]) -> Iterable[ResultKey]:
        for key in found:
            # SCAN may find a key twice.
            if hash(key.key) in seen:
                continue
            seen.add(hash(key.key))
            if key.kind is not Kind.CHORD:
                yield key
            elif key.suffix == ".s":
                chords.append(key.id)

    left = iter(states(results.found()))
    while batch := list(islice(left, _BATCH)):
        for stored in results.read(batch):
            payload = None
            is_group = stored.at.kind is Kind.GROUP
            if stored.payload is not None:
                payload = payload_for(backend, backend, stored.payload, is_group=is_group)
            status = UNREADABLE if payload is None else payload.status
            seconds = None if stored.left_milliseconds is None else stored.left_milliseconds / 1_000
            count.add(status, seconds_left=seconds, size=len(stored.payload or b""))
    return count.result(RedisChords(backend).parts_of(chords))


def _of_ours(backend: DynamoDBBackend) -> ResultCount:
    count = _Count()
    chords = {}
    now = backend.clock.now().timestamp()
    for found in OurResults(backend).found():
        if found.kind is Kind.CHORD:
            if not is_done(found.item):
                chords[found.id] = _parts(found)
            continue
        ends = number_of(found.item, TTL)
        count.add(
            None if found.kind is Kind.GROUP else _status(backend, found),
            seconds_left=None if ends is None else max(0.0, float(ends) - now),
            size=found.bytes,
        )
    return count.result(chords)


def _parts(found: OurItem) -> tuple[int, int]:
    root = root_of(found.item)
    return len(root.parts) + sum(root.counts.values()), root.total or 0


def _status(backend: DynamoDBBackend, found: OurItem) -> str:
    status = text_of(found.item, STATUS)
    if status is not None:
        return status
    content = binary_of(found.item, RESULT)
    payload = payload_for(backend, backend, content, is_group=False) if content else None
    return UNREADABLE if payload is None else bytes_to_str(payload.status)


class _Count:
    """A :class:`ResultCount` that is being counted."""

    def __init__(self) -> None:
        self._states: Counter[str] = Counter()
        self._groups = self._without_ttl = self._bytes = 0
        self._seconds_left: float | None = None

    def add(self, status: str | None, *, seconds_left: float | None, size: int) -> None:
        """Count a task's state, or, without ``status``, a group."""
        self._bytes += size
        if status is None:
            self._groups += 1
            return
        self._states[status] += 1
        if seconds_left is None:
            self._without_ttl += 1
        else:
            self._seconds_left = max(self._seconds_left or 0.0, seconds_left)

    def result(self, chords: dict[str, tuple[int, int]]) -> ResultCount:
        """Return it."""
        return ResultCount(
            results=dict(self._states),
            without_ttl=self._without_ttl,
            seconds_left=self._seconds_left,
            groups=self._groups,
            chords=chords,
            bytes=self._bytes,
        )
