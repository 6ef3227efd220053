"""The order in which a process knows results, so that who reads them one by one is read ahead.

Filled as Celery makes groups, result by result; nothing says where one group ends. So where a
scan stopped, reading ahead stops too, until a scan goes on there.

Every change is a single operation on a dict or a deque, which Python does at once: there is no
lock that a forked child could inherit. Two threads that remember at the same time may at worst
leave a link out, which costs a request and nothing else.
"""

from collections import deque
from collections.abc import Iterable, Iterator

#: The results that are remembered; the oldest are forgotten.
REMEMBERED = 20_000

#: How far one look along the order goes, over results that have ended.
_REACH = 1_000


class ResultOrder:
    """Which result comes after which; shared by the threads of a process.

    Args:
        most: how many results are remembered.
    """

    def __init__(self, most: int = REMEMBERED) -> None:
        self._most = most
        self._after: dict[str, str | None] = {}
        self._oldest: deque[str] = deque()
        self._finished: dict[str, None] = {}
        self._ends: dict[str, None] = {}

    def __len__(self) -> int:
        return len(self._after)

    def remember(self, task_ids: Iterable[str], *, behind: str | None = None) -> None:
        """Remember that ``task_ids`` are in this order; what is known already stays as it is.

        Args:
            task_ids: any number of them.
            behind: the one that they come after, if any.
        """
        previous = behind
        for task_id in task_ids:
            if task_id not in self._after:
                self._append(task_id, previous)
            previous = task_id

    def finish(self, task_id: str) -> None:
        """Remember that a task has ended: who asked for it does not have to ask again."""
        if task_id in self._after:
            self._finished[task_id] = None

    def is_finished(self, task_id: str) -> bool:
        """Tell whether a task is known to have ended."""
        return task_id in self._finished

    def end(self, task_id: str) -> None:
        """Remember that a scan stopped behind ``task_id``."""
        if task_id in self._after:
            self._ends[task_id] = None

    def follows(self, previous: str, task_id: str) -> bool:
        """Tell whether ``task_id`` is the next one, or the next but for some that have ended."""
        passed = [previous]
        for following in self._behind(previous):
            if following == task_id:
                for each in passed:
                    self._ends.pop(each, None)
                return True
            if not self.is_finished(following):
                return False
            passed.append(following)
        return False

    def from_here(self, task_id: str, count: int) -> list[str]:
        """Return ``task_id`` and those behind it that a scan asks for next, ``count`` at most.

        If ``task_id`` itself was unfinished, so are the others, as far as is known: who asks
        for a group again does not ask for what it was told is finished.
        """
        asks_again = self.is_finished(task_id)
        task_ids = [task_id]
        last = task_id
        for following in self._behind(task_id):
            if len(task_ids) >= count or last in self._ends:
                break
            if asks_again or not self.is_finished(following):
                task_ids.append(following)
            last = following
        return task_ids

    def _append(self, task_id: str, previous: str | None) -> None:
        self._after[task_id] = None
        self._oldest.append(task_id)
        # Links lead to newer results only, so they never lead round in a circle.
        if previous is not None and self._after.get(previous, task_id) is None:
            self._after[previous] = task_id
        while len(self._oldest) > self._most:
            self._forget(self._oldest.popleft())

    def _forget(self, task_id: str) -> None:
        for known in (self._after, self._finished, self._ends):
            known.pop(task_id, None)

    def _behind(self, task_id: str) -> Iterator[str]:
        following = self._after.get(task_id)
        for _ in range(_REACH):
            if following is None:
                return
            yield following
            following = self._after.get(following)
