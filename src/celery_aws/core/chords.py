"""Chords as values: which parts have come, where each is written, and whether that is all. Pure.

Every part, the return of one header task, is a member of a set of strings: to add it twice changes
nothing, so a redelivered task never counts twice. DynamoDB's writes are paid by the size of the
item and one item takes some 1,000 units a second, so only the first parts are in the chord's *root*
item; the others are in *shards*, which tell the root how many they have. A shard's count only
grows, so to tell it twice changes nothing either; and the root is complete with exactly one of
these writes, however they interleave, because DynamoDB does them one after the other.

Where a part is written follows from its message alone, or its copies would not meet.

Facts: celery/canvas.py of 5.5 to 5.7 (``group._apply_tasks`` sets a chord's size before it sends
the last header task; a header task has its place in the header as ``group_index``, which tasks of
different groups inside chains share), celery/backends/redis.py (a part is told by both its task and
its place, as a frozen signature may be in a header twice).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

#: Parts in the root: so many make an item of some 2.6 kB, which is three units a write.
ROOT_PARTS = 64

#: Parts in a shard of a header of single tasks.
SHARD_PARTS = 64

#: Shards that are written at the same time, as tasks run in about the order of the header.
STRIPES = 16

_BLOCK_PARTS = SHARD_PARTS * STRIPES

#: Parts in a shard, on average, where a part's place says nothing.
_HASHED_SHARD_PARTS = 32

#: The root, as a shard.
ROOT = ""

_SEPARATOR = ":"


@dataclass(frozen=True, kw_only=True)
class Part:
    """One header task that has returned.

    Attributes:
        index: its place in the header; None if its message does not say.
        task_id: its id.
    """

    index: int | None
    task_id: str

    @property
    def member(self) -> str:
        """The part as a member of a set."""
        return f"{'' if self.index is None else self.index}{_SEPARATOR}{self.task_id}"


def part_of(member: str) -> Part:
    """Return the part that ``member`` stands for."""
    index, _, task_id = member.partition(_SEPARATOR)
    return Part(index=int(index) if index else None, task_id=task_id)


def in_order(parts: Iterable[Part]) -> list[Part]:
    """Return parts in the order of the header; those without a place come last, as on Redis."""
    return sorted(parts, key=lambda part: (part.index is None, part.index or 0, part.task_id))


@dataclass(frozen=True, kw_only=True)
class Layout:
    """What is known of a large header when its chord begins; its messages carry it.

    Attributes:
        size: of a header of single tasks, each with a place of its own.
        shards: of a header with groups in it, whose tasks share places: their number.

    Neither is known of a generator, and neither matters for a small header.
    """

    size: int | None = None
    shards: int | None = None

    def dump(self) -> dict[str, int]:
        """Return it as what a message can carry."""
        known = {"size": self.size, "shards": self.shards}
        return {name: value for name, value in known.items() if value is not None}

    def shard_of(self, part: Part) -> str:
        """Return the name of the shard that ``part`` is in; :data:`ROOT` is the root."""
        if self.shards is not None:
            return f"h{crc32(part.task_id.encode()) % self.shards}"
        if part.index is None or part.index < ROOT_PARTS:
            return ROOT
        block, place = divmod(part.index - ROOT_PARTS, _BLOCK_PARTS)
        return f"i{block * STRIPES + place % STRIPES}"

    def expected_in(self, shard: str) -> int:
        """Return how many parts ``shard`` has at least when the chord is complete."""
        if self.size is None or not shard.startswith("i"):
            return 0
        block, stripe = divmod(int(shard[1:]), STRIPES)
        behind = self.size - ROOT_PARTS - block * _BLOCK_PARTS - stripe
        return max(0, min(SHARD_PARTS, -(-behind // STRIPES)))


def load_layout(raw: Any) -> Layout:
    """Return the layout that :meth:`Layout.dump` made; of anything else, a generator's."""
    if not isinstance(raw, Mapping):
        return Layout()
    known = {name: raw.get(name) for name in ("size", "shards")}
    return Layout(**{name: n for name, n in known.items() if isinstance(n, int) and n > 0})


def layout_of(*, tasks: int, is_flat: bool) -> Layout:
    """Return the layout for a header that is known before it is sent.

    Args:
        tasks: how many parts it has.
        is_flat: each of its elements is a single task, with a place of its own.
    """
    if tasks <= ROOT_PARTS:
        return Layout()
    return Layout(size=tasks) if is_flat else Layout(shards=-(-tasks // _HASHED_SHARD_PARTS))


@dataclass(frozen=True, kw_only=True)
class Root:
    """A chord, as its root item says.

    Attributes:
        size: how many parts it has; None until its last header task is about to be sent.
        added: how many more were added by header tasks.
        parts: those that the root has itself.
        counts: how many parts each shard has, as far as it has told.
        claim: who is finishing the chord, in a form that changes while they do.
        is_nested: the structure of its header is kept for its results.
    """

    size: int | None = None
    added: int = 0
    parts: frozenset[str] = frozenset()
    counts: Mapping[str, int] = field(default_factory=dict)
    claim: str | None = None
    is_nested: bool = False

    @property
    def total(self) -> int | None:
        """How many parts there will be, if that is known already."""
        return None if self.size is None else self.size + self.added

    @property
    def is_complete(self) -> bool:
        """True if every part has come."""
        recorded = len(self.parts) + sum(self.counts.values())
        return self.total is not None and recorded >= self.total
