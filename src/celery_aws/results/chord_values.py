"""What the tasks of a chord's header returned, in the form that its body gets. Pure, no AWS.

A failed header task becomes an error of the whole chord, whose cause is the task's own exception.
Facts: celery/backends/redis.py, ``_unpack_chord_result`` and ``on_chord_part_return``: a header
without groups is a list in the order of its tasks; one with groups keeps its structure.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from celery import states
from celery.exceptions import ChordError
from celery.result import ResultBase, ResultSet

from celery_aws.core.chords import Part

#: A task's stored state and result, as Celery decodes it.
Meta = Mapping[str, Any]


def in_a_row(parts: Sequence[Part], metas: Mapping[str, Meta]) -> list[Any]:
    """Return what the parts returned, in their order.

    Args:
        parts: in order.
        metas: by task id.

    Raises:
        ChordError: a part failed, or its result is gone.
    """
    return [_value(part.task_id, metas) for part in parts]


def in_structure(results: Sequence[ResultBase], metas: Mapping[str, Meta]) -> list[Any]:
    """Return what the tasks behind ``results`` returned, a list for each group among them.

    Raises:
        ChordError: a task failed, or its result is not there.
    """
    return [
        in_structure(each.results, metas)
        if isinstance(each, ResultSet)
        else _value(str(each.id), metas)
        for each in results
    ]


def ids_in(results: Sequence[ResultBase]) -> list[str]:
    """Return the ids of all tasks behind ``results``."""
    return [
        task_id
        for each in results
        for task_id in (ids_in(each.results) if isinstance(each, ResultSet) else [str(each.id)])
    ]


def _value(task_id: str, metas: Mapping[str, Meta]) -> Any:
    meta = metas.get(task_id)
    if meta is None:
        raise ChordError(f"Dependency {task_id}: its result no longer exists")
    if meta["status"] in states.PROPAGATE_STATES:
        error = meta["result"]
        raise ChordError(f"Dependency {task_id} raised {error!r}") from error
    return meta["result"]
