"""The parents of a result that somebody waits for: those whose errors Celery raises instead.

``AsyncResult.get()`` looks at each of them before and at every look (celery/result.py,
``_maybe_reraise_parent_error``): the tasks of a chain before this one, and for the body of a
chord every task of its header. Read one by one they were most of what a chord cost.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from celery import states
from celery.result import ResultSet
from vine import promise

from celery_aws.results.read_ahead import Meta


class Parents:
    """The parents of one result, in the order in which Celery looks at them.

    Args:
        result: Celery's ``AsyncResult`` or ``ResultSet``.
        backend: the one that it is read from; parents elsewhere are left to Celery.
    """

    def __init__(self, result: Any, backend: Any) -> None:
        nodes = reversed(list(_chain(result)))
        self._all = [leaf for node in nodes for leaf in leaves(node) if leaf.backend is backend]
        self._open = self._all

    def unfinished(self) -> list[str]:
        """Return the ids of those that Celery has not seen end."""
        self._open = [parent for parent in self._open if known_meta(parent) is None]
        return list(dict.fromkeys(parent.id for parent in self._open))

    def settle(self, metas: Mapping[str, Meta]) -> None:
        """Let those keep their metas that have ended."""
        for parent in self._open:
            if parent.id in metas:
                parent._maybe_set_cache(dict(metas[parent.id]))  # noqa: SLF001 - as Celery's own backends do

    def failed(self) -> Meta | None:
        """Return the meta of the first that has been seen to fail."""
        metas = filter(None, map(known_meta, self._all))
        return next((meta for meta in metas if meta["status"] in states.PROPAGATE_STATES), None)


def leaves(result: Any) -> Iterator[Any]:
    """Return the single results of a result, however deep its groups are nested."""
    if not isinstance(result, ResultSet):
        yield result
        return
    for member in result.results:
        yield from leaves(member)


def known_meta(result: Any) -> Meta | None:
    """Return the meta that a result keeps once it has seen its task end."""
    meta: Meta | None = result._cache  # noqa: SLF001 - Celery's own backends do so
    return meta


def looks_at_parents(on_interval: Any) -> bool:
    """Tell whether ``on_interval`` is what ``AsyncResult.get()`` makes of its parents' check."""
    return isinstance(on_interval, promise) and on_interval.fun is not None


def _chain(result: Any) -> Iterator[Any]:
    node = getattr(result, "parent", None)
    while node:
        yield node
        node = node.parent
