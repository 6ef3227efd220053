"""Task ids by the million: kept compressed, because only an error asks for them."""

import json
import zlib
from collections.abc import Iterator

#: Ids that are compressed together.
_BLOCK = 1_000


class TaskIds:
    """Ids in the order in which they came; some 20 MB for a million of Celery's."""

    def __init__(self) -> None:
        self._blocks: list[bytes] = []
        self._last: list[str] = []

    def append(self, task_id: str) -> None:
        """Add one."""
        self._last.append(task_id)
        if len(self._last) == _BLOCK:
            self._blocks.append(zlib.compress(json.dumps(self._last).encode(), 1))
            self._last = []

    def __iter__(self) -> Iterator[str]:
        for block in self._blocks:
            yield from json.loads(zlib.decompress(block))
        yield from self._last

    def __len__(self) -> int:
        return len(self._blocks) * _BLOCK + len(self._last)
