"""The parents of a result that somebody waits for: those whose errors Celery raises instead.

``AsyncResult.get()`` looks at each of them before and at every look (celery/result.py,
``_maybe_reraise_parent_error``): the tasks of a chain before this one, and for the body of a
chord every task of its header. Read one by one they were most of what a chord cost.
"""

from collections.abc import Iterator
from typing import Any

from celery import states
from celery.result import ResultSet
from vine import promise

from celery_aws.core.waiting import parents_wait_seconds


class Parents:
    """The parents of one result, in the order in which Celery looks at them.

    Args:
        result: Celery's ``AsyncResult``.
        backend: the one that it is read from; parents elsewhere are left to Celery.
    """

    def __init__(self, result: Any, backend: Any) -> None:
        nodes = reversed(list(_chain(result)))
        self._open = [leaf for node in nodes for leaf in leaves(node) if leaf.backend is backend]

    def unfinished(self) -> list[str]:
        """Return the ids of those that Celery has not seen end."""
        self._open = [parent for parent in self._open if known_meta(parent) is None]
        return list(dict.fromkeys(parent.id for parent in self._open))


class FailedParents:
    """Looks for a parent of a group that failed, for then the group's tasks are never sent.

    Args:
        result: Celery's ``ResultSet``.
        backend: the one that it is read from.
    """

    def __init__(self, result: Any, backend: Any) -> None:
        self._parents = [parent for node in _chain(result) for parent in leaves(node)]
        self._parents = [parent for parent in self._parents if parent.backend is backend]
        self._backend = backend
        self._began = backend.clock.monotonic()
        self._look_at = self._began

    def look(self) -> dict[str, Any] | None:
        """Return the meta of a parent that has failed, if one has.

        Costs nothing if it is too early to look again, else a BatchGetItem for each 100 parents
        that have not ended.
        """
        now = self._backend.clock.monotonic()
        unfinished = {each.id: each for each in self._parents if known_meta(each) is None}
        if unfinished and now >= self._look_at:
            wait = parents_wait_seconds(now - self._began, unfinished=len(unfinished))
            self._look_at = now + wait
            for task_id, payload in self._backend.read_payloads(unfinished).items():
                unfinished[task_id]._maybe_set_cache(self._backend.meta_of(payload))  # noqa: SLF001
        metas = map(known_meta, self._parents)
        return next(filter(_has_failed, metas), None)


def leaves(result: Any) -> Iterator[Any]:
    """Return the single results of a result, however deep its groups are nested."""
    if not isinstance(result, ResultSet):
        yield result
        return
    for member in result.results:
        yield from leaves(member)


def known_meta(result: Any) -> dict[str, Any] | None:
    """Return the meta that a result keeps once it has seen its task end."""
    meta: dict[str, Any] | None = result._cache  # noqa: SLF001 - Celery's own backends do so
    return meta


def looks_at_parents(on_interval: Any) -> bool:
    """Tell whether ``on_interval`` is what ``AsyncResult.get()`` makes of its parents' check."""
    return isinstance(on_interval, promise) and on_interval.fun is not None


def _has_failed(meta: dict[str, Any] | None) -> bool:
    return meta is not None and meta["status"] in states.PROPAGATE_STATES


def _chain(result: Any) -> Iterator[Any]:
    node = getattr(result, "parent", None)
    while node:
        yield node
        node = node.parent
