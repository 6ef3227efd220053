"""Results for asyncio code: awaited, without blocking the loop or holding a thread meanwhile.

Celery knows no asyncio. Between two looks at the table the coroutine sleeps in the loop; only
the look itself, some milliseconds, runs in a thread of the loop's default executor. Who is
cancelled is gone at once: a look that is under way ends by itself, and nobody hears of it.

How often it looks, and what a look reads, is as with ``get()``
(:mod:`celery_aws.results.watching`).
"""

import asyncio
from typing import Any

from celery import states
from celery.result import EagerResult, ResultSet, assert_will_not_block
from vine import promise

from celery_aws.results.joining import Join
from celery_aws.results.parents import Parents, known_meta, leaves
from celery_aws.results.waiting import Waiting
from celery_aws.results.watching import WatchMany, WatchOne


async def aget(
    result: Any,
    *,
    timeout: float | None = None,
    propagate: bool = True,
    interval: float = 0.5,
    follow_parents: bool = True,
    disable_sync_subtasks: bool = True,
) -> Any:
    """Await the value of a result, as ``result.get()`` would return it.

    Args:
        result: Celery's ``AsyncResult``, or a ``GroupResult`` for a list of values.
        timeout: seconds to wait at most; None waits for ever, 0 looks once.
        propagate: whether a task's error is raised; else it is returned.
        interval: seconds between two looks at most, in the first 20 s.
        follow_parents: whether the error of a parent is raised too (of a chain or chord).
        disable_sync_subtasks: whether waiting inside of a task is refused.

    Raises:
        TimeoutError: Celery's; the time is up.
        TypeError: the result belongs to another result backend.
        Exception: what the task has raised, or, before it, a parent of it.

    Costs what ``result.get()`` does. It can be cancelled at any time; the task goes on.
    """
    if disable_sync_subtasks:
        assert_will_not_block()
    if isinstance(result, ResultSet):
        return await _values(
            result,
            timeout=timeout,
            propagate=propagate,
            interval=interval,
            follows_parents=follow_parents,
        )
    if isinstance(result, EagerResult):
        return result.get(propagate=propagate, disable_sync_subtasks=disable_sync_subtasks)
    if result.ignored:
        return None
    if known_meta(result) is None:
        watch = _watch(
            result,
            timeout=timeout,
            interval=interval,
            follows_parents=bool(follow_parents and propagate and result.parent),
        )
        while (meta := await asyncio.to_thread(watch.look)) is None:
            await asyncio.sleep(watch.wait_seconds())
        result._maybe_set_cache(meta)  # noqa: SLF001 - as Celery's own backends do
    return result.maybe_throw(propagate=propagate)


def _watch(
    result: Any, *, timeout: float | None, interval: float, follows_parents: bool
) -> WatchOne:
    backend = _our_backend(result)
    check = promise(result._maybe_reraise_parent_error)  # noqa: SLF001 - what get() calls
    return WatchOne(
        backend,
        result.id,
        timeout=timeout,
        interval=interval,
        on_interval=check if follows_parents else None,
        parents=Parents(result, backend) if follows_parents else None,
        has_seen_parents=False,
    )


async def _values(
    results: Any,
    *,
    timeout: float | None,
    propagate: bool,
    interval: float,
    follows_parents: bool,
) -> list[Any]:
    join = Join(results.results)
    unfinished = join.unfinished()
    if propagate:
        _raise_first_error(results)
    if unfinished:
        backend = _our_backend(results)
        parents = Parents(results, backend) if follows_parents else None
        watch = WatchMany(backend, unfinished, timeout=timeout, interval=interval, parents=parents)
        while not watch.is_over:
            ended = await asyncio.to_thread(watch.look)
            for task_id, meta in ended.items():
                join.end(task_id, meta)
            if propagate:
                _raise_first_error(results)
            if watch.is_over:
                break
            if watch.failed_parent is not None:
                unsent = watch.failed_parent["result"]
                if propagate:
                    raise unsent
                return _known_values(results, unsent=unsent)
            await asyncio.sleep(watch.wait_seconds())
    return _known_values(results)


def _raise_first_error(results: Any) -> None:
    for leaf in leaves(results):
        meta = known_meta(leaf)
        if meta is not None and meta["status"] in states.PROPAGATE_STATES:
            leaf.maybe_throw()


def _known_values(results: Any, *, unsent: Any = None) -> list[Any]:
    return [
        _known_values(member, unsent=unsent)
        if isinstance(member, ResultSet)
        else (known_meta(member) or {"result": unsent})["result"]
        for member in results.results
    ]


def _our_backend(result: Any) -> Any:
    backend = result.backend
    if not isinstance(backend, Waiting):
        raise TypeError(
            f"{result!r} belongs to {type(backend).__name__}; only results of celery_aws can be "
            "awaited. Await asyncio.to_thread(result.get) instead"
        )
    return backend
