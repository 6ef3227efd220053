"""Whether every result of the old side is on the new one: the same state or a later one, as long.

Results are read where they are, a hundred at a time; nothing is written.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

from celery_aws.clock import Clock
from celery_aws.core.attributes import Item, binary_of, number_of, text_of
from celery_aws.limits import DYNAMODB_BATCH_GET_KEYS
from celery_aws.migrate.comparison import LIFE, ComparedResult, result_difference
from celery_aws.migrate.results.found import answering
from celery_aws.migrate.results.payloads import payload_for
from celery_aws.migrate.results.redis_results import Kind, RedisResults, ResultKey, StoredResult
from celery_aws.results import DynamoDBBackend, items

#: What a result is that nobody can decode.
UNREADABLE: Final = "results-unreadable"


@dataclass(frozen=True, kw_only=True)
class ComparedResults:
    """What a comparison of results came to.

    Attributes:
        compared: how many results and groups.
        sampled: there are more.
        found: ids by what :func:`~celery_aws.migrate.comparison.result_difference` said.
    """

    compared: int = 0
    sampled: bool = False
    found: Mapping[str, Sequence[str]] = field(default_factory=dict)


def compare_results(
    old: RedisResults, new: DynamoDBBackend, *, clock: Clock, sample: int | None = None
) -> ComparedResults:
    """Return what differs between two result backends; chords in flight are left out.

    Args:
        old: the results on Redis.
        new: our backend.
        clock: tells what has expired.
        sample: how many to compare at most; Redis gives keys in no order. None is all.

    Raises:
        AwsError: AWS or Redis did not answer, or AWS refused.
        ConfigurationError: Redis refused.

    Costs one BatchGetItem for each 100 results, consistent; what a large one costs to read, where
    lives differ.
    """
    with answering(old.backend):
        return _compared(old, new, clock=clock, sample=sample)


def _compared(
    old: RedisResults, new: DynamoDBBackend, *, clock: Clock, sample: int | None
) -> ComparedResults:
    found: defaultdict[str, dict[str, None]] = defaultdict(dict)
    compared = 0
    keys = (key for key in old.found() if key.kind is not Kind.CHORD)
    for batch in _batches(islice(keys, sample)):
        stored = list(old.read(batch))
        there = new.store.items_of(_key(new, each.at) for each in stored)
        compared += len(stored)
        for each in stored:
            name = _difference(each, there.get(_key(new, each.at)), old.backend, new, clock)
            if name is not None:
                # Redis may tell of a key twice.
                found[name][each.at.id] = None
    more = sample is not None and next(keys, None) is not None
    ids = {name: list(each) for name, each in found.items()}
    return ComparedResults(compared=compared, sampled=more, found=ids)


def _difference(
    stored: StoredResult, item: Item | None, old: Any, new: DynamoDBBackend, clock: Clock
) -> str | None:
    status = _old_status(stored, old)
    if status is None:
        return UNREADABLE
    now = clock.now().timestamp()
    left = stored.left_milliseconds
    ends_at = None if left is None else stored.read_at.timestamp() + left / 1_000
    was = ComparedResult(status=status, ends_at=ends_at)
    name = result_difference(was, _new_result(item, stored.at, new, now), now=now)
    if name == LIFE and item is not None and not _is_copy(stored, item, old, new):
        return None
    return name


def _is_copy(stored: StoredResult, item: Item, old: Any, new: DynamoDBBackend) -> bool:
    """Tell whether a result is the old one's copy: what the new side wrote has its own life."""
    if stored.payload is None:
        return False
    key, is_group = _key(new, stored.at), stored.at.kind is Kind.GROUP
    copy = payload_for(new, old, stored.payload, is_group=is_group)
    return copy is not None and new.store.payloads_of({key: item}).get(key) == copy.content


def _old_status(stored: StoredResult, backend: Any) -> str | None:
    """Return the status; empty for a group, None if it cannot be read."""
    if stored.payload is None:
        return None
    try:
        meta = backend.decode(stored.payload)
        return "" if stored.at.kind is Kind.GROUP else str(meta["status"])
    except Exception:  # noqa: BLE001 - a pickle may raise anything; it is told
        return None


def _new_result(
    item: Item | None, at: ResultKey, backend: DynamoDBBackend, now: float
) -> ComparedResult | None:
    if item is None:
        return None
    ttl = number_of(item, items.TTL)
    ends_at = None if ttl is None else float(ttl)
    if ends_at is not None and ends_at < now:
        return None
    status = "" if at.kind is Kind.GROUP else text_of(item, items.STATUS)
    if status is None:
        # Celery's own backend wrote it, which has the state inside only.
        status = str(backend.decode(binary_of(item, items.RESULT))["status"])
    return ComparedResult(status=status, ends_at=ends_at)


def _key(backend: DynamoDBBackend, at: ResultKey) -> bytes:
    make = backend.get_key_for_group if at.kind is Kind.GROUP else backend.get_key_for_task
    return bytes(make(at.id))


def _batches(keys: Iterable[ResultKey]) -> Iterator[list[ResultKey]]:
    rest = iter(keys)
    while batch := list(islice(rest, DYNAMODB_BATCH_GET_KEYS)):
        yield batch
