"""Into batches that AWS takes."""

from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar

from celery_aws.limits import SQS_BATCH_ENTRIES, SQS_MESSAGE_BYTES

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


def batches_by_size(
    entries: Iterable[V],
    bytes_of: Callable[[V], int],
    *,
    most: int = SQS_BATCH_ENTRIES,
    most_bytes: int = SQS_MESSAGE_BYTES,
) -> list[list[V]]:
    """Split entries into batches that are small enough together, in order.

    Args:
        entries: what goes to one queue.
        bytes_of: the size of an entry as AWS counts it.
        most: entries in one batch.
        most_bytes: bytes of all entries of one batch together.

    Returns:
        Batches, none of them empty. An entry that is larger than ``most_bytes`` is a batch of its
        own, for AWS to refuse.
    """
    made: list[list[V]] = []
    room_bytes = 0
    for entry in entries:
        size_bytes = bytes_of(entry)
        if not made or len(made[-1]) == most or size_bytes > room_bytes:
            made.append([])
            room_bytes = most_bytes
        made[-1].append(entry)
        room_bytes -= size_bytes
    return made
