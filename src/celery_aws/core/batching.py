"""Into batches that AWS takes."""

from collections.abc import Hashable, Iterable
from typing import TypeVar

from celery_aws.limits import SQS_BATCH_ENTRIES

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


def batches(
    entries: Iterable[tuple[K, V]], most: int = SQS_BATCH_ENTRIES
) -> list[tuple[K, list[V]]]:
    """Group entries by key, at most ``most`` in a batch, in order within each key.

    Args:
        entries: pairs of what must be equal within a batch (the queue) and the entry.
        most: entries in one batch.

    Returns:
        Pairs of key and batch, none of them empty.
    """
    grouped: dict[K, list[V]] = {}
    for key, entry in entries:
        grouped.setdefault(key, []).append(entry)
    return [
        (key, of_key[start : start + most])
        for key, of_key in grouped.items()
        for start in range(0, len(of_key), most)
    ]
