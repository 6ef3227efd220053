"""Waits for many results at once, by batches, however their groups are nested.

Facts: celery/backends/base.py ``get_many`` and ``iter_native``, celery/result.py
``ResultSet.join_native``, which calls ``get()`` on each member of a nested group.
"""

from collections.abc import Callable, Container, Iterable, Iterator
from typing import Any

from celery import states
from celery.result import ResultSet
from kombu.utils.encoding import bytes_to_str

from celery_aws.clock import Clock
from celery_aws.results.parents import Parents, known_meta, leaves
from celery_aws.results.read_ahead import Meta
from celery_aws.results.watching import WatchMany


class Joining:
    """The part of the backend that waits for groups; mixed into it."""

    clock: Clock

    def get_many(  # noqa: PLR0917 - Celery's signature
        self,
        task_ids: Iterable[str],
        timeout: float | None = None,
        interval: float | None = 0.5,
        no_ack: bool = True,  # noqa: ARG002
        on_message: Callable[[Meta], Any] | None = None,
        on_interval: Callable[[], Any] | None = None,
        max_iterations: int | None = None,
        READY_STATES: Iterable[str] = states.READY_STATES,  # noqa: N803
    ) -> Iterator[tuple[str, Meta]]:
        """Yield the id and the meta of each task as it ends, in any order.

        Args:
            task_ids: the tasks.
            timeout: seconds to wait at most; None waits for ever, 0 looks once.
            interval: seconds between two looks at most, in the first 20 s.
            no_ack: of no meaning here.
            on_message: called with each meta that was read.
            on_interval: called after each look that left some.
            max_iterations: how many looks at most; the last is not followed by a wait.
            READY_STATES: in which a task is not waited for any more.

        Raises:
            TimeoutError: Celery's; some have not ended in time.

        Costs a BatchGetItem for each 100 tasks left a look: up to 10 looks in the first three
        seconds of a group of a hundred.
        """
        ended_states = frozenset(READY_STATES)
        task_ids = {bytes_to_str(task_id) for task_id in task_ids}
        cached = self._cached(task_ids, ended_states)
        yield from cached.items()
        watch = WatchMany(
            self,  # type: ignore[arg-type]
            task_ids - cached.keys(),
            timeout=timeout,
            interval=interval,
            ended_states=ended_states,
        )
        yield from self._each(watch, on_message, on_interval, max_iterations)

    def iter_native(  # noqa: PLR0917 - Celery's signature
        self,
        result: Any,
        timeout: float | None = None,
        interval: float | None = 0.5,
        no_ack: bool = True,  # noqa: ARG002
        on_message: Callable[[Meta], Any] | None = None,
        on_interval: Callable[[], Any] | None = None,
    ) -> Iterator[tuple[str, Any]]:
        """Yield the id and the meta of each member as it ends; of a nested group, its members.

        The members of nested groups are waited for with all the others. Each result keeps its
        meta, as with Redis, so that asking it afterwards costs nothing.

        Args:
            result: Celery's ``ResultSet``.
            timeout: see :meth:`get_many`; it holds for nested groups too.
            interval: see :meth:`get_many`.
            no_ack: of no meaning here.
            on_message: see :meth:`get_many`.
            on_interval: see :meth:`get_many`.

        If a parent has failed, the members are never sent, and its error is theirs. Costs what
        :meth:`get_many` does; parents that have not ended are read with the members, at most once a
        second.
        """
        self._ensure_not_eager()  # type: ignore[attr-defined]
        join = Join(result.results)
        yield from join.settled()
        cached = self._cached(join.unfinished(), states.READY_STATES)
        for task_id, meta in cached.items():
            yield from join.end(task_id, meta)
        watch = WatchMany(
            self,  # type: ignore[arg-type]
            join.unfinished(),
            timeout=timeout,
            interval=interval,
            parents=Parents(result, self),
        )
        for task_id, meta in self._each(watch, on_message, on_interval):
            yield from join.end(task_id, meta)
        if watch.failed_parent is not None:
            yield from join.end_all(watch.failed_parent)

    def _each(
        self,
        watch: WatchMany,
        on_message: Callable[[Meta], Any] | None,
        on_interval: Callable[[], Any] | None,
        max_iterations: int | None = None,
    ) -> Iterator[tuple[str, Meta]]:
        """Yield each task as it ends, until all have, or a parent has failed."""
        looks = 0
        while not watch.is_over:
            ended = watch.look()
            self._cache.update(ended)  # type: ignore[attr-defined]
            for task_id, meta in ended.items():
                if on_message is not None:
                    on_message(meta)
                yield task_id, meta
            looks += 1
            if watch.is_over or watch.failed_parent is not None:
                return
            wait_seconds = watch.wait_seconds()
            if on_interval is not None:
                on_interval()
            if looks == max_iterations:
                return
            self.clock.sleep(wait_seconds)

    def _cached(self, task_ids: Iterable[str], ended_states: Container[str]) -> dict[str, Meta]:
        # One at a time: an LRU cache knows no more, and another thread may empty it.
        cached = {}
        for task_id in task_ids:
            try:
                meta = self._cache[task_id]  # type: ignore[attr-defined]
            except KeyError:
                continue
            if meta["status"] in ended_states:
                cached[task_id] = meta
        return cached


class Join:
    """The members of a group that are still waited for.

    Args:
        members: single results and groups.
    """

    def __init__(self, members: Iterable[Any]) -> None:
        self._members = [_Member(member) for member in members]
        self._of_task: dict[str, list[tuple[Any, _Member]]] = {}
        for member in self._members:
            for leaf in member.leaves:
                self._of_task.setdefault(bytes_to_str(leaf.id), []).append((leaf, member))

    def unfinished(self) -> list[str]:
        """Return the ids of all results, nested or not, that have not been seen to end."""
        return [
            task_id
            for task_id, places in self._of_task.items()
            if any(known_meta(leaf) is None for leaf, _ in places)
        ]

    def settled(self) -> Iterator[tuple[str, Any]]:
        """Yield the members that are settled from the start."""
        for member in self._members:
            yield from member.settled()

    def end_all(self, meta: Meta) -> Iterator[tuple[str, Any]]:
        """Yield all members that are not settled, ended as ``meta`` says."""
        for member in self._members:
            yield from member.end(meta)

    def end(self, task_id: str, meta: Meta) -> list[tuple[str, Any]]:
        """Let the results of a task keep its meta, and return the members that this settles."""
        places = self._of_task[task_id]
        for leaf, _ in places:
            if known_meta(leaf) is None:
                leaf._maybe_set_cache(dict(meta))  # noqa: SLF001 - as Celery's own backends do
        return [settled for _, member in places for settled in member.settled()]


class _Member:
    """A member of a group: a result, or a group with all that is in it."""

    def __init__(self, result: Any) -> None:
        self.leaves = list(leaves(result))
        self._result = result
        self._passed = 0
        self._is_settled = False

    def settled(self) -> Iterator[tuple[str, Any]]:
        """Yield it, once, when a join can take it up: it has ended, or raises without waiting."""
        if self._is_settled or not self._can_be_taken_up():
            return
        self._is_settled = True
        is_group = isinstance(self._result, ResultSet)
        outcome = self._result.results if is_group else known_meta(self._result)
        yield self._result.id, outcome

    def end(self, meta: Meta) -> Iterator[tuple[str, Any]]:
        """Yield it as ended as ``meta`` says, unless it is settled."""
        if not self._is_settled:
            self._is_settled = True
            yield self._result.id, meta

    def _can_be_taken_up(self) -> bool:
        # Each leaf is passed once: a group of thousands is not gone through for each of them.
        for leaf in self.leaves[self._passed :]:
            meta = known_meta(leaf)
            if meta is None:
                return False
            if meta["status"] in states.PROPAGATE_STATES:
                return True
            self._passed += 1
        return True
