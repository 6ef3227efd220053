import pytest
from celery import Celery
from celery.exceptions import ChordError
from celery.result import AsyncResult, GroupResult

from celery_aws.core.chords import Part
from celery_aws.results.chord_values import ids_in, in_a_row, in_structure

METAS = {f"task-{n}": {"status": "SUCCESS", "result": n} for n in range(4)}


def parts(*indexes: int) -> list[Part]:
    return [Part(index=index, task_id=f"task-{index}") for index in indexes]


def structure(app: Celery) -> list[AsyncResult | GroupResult]:
    tasks = [AsyncResult(f"task-{n}", app=app) for n in range(4)]
    inner = GroupResult("inner", tasks[1:2], app=app)
    return [tasks[0], GroupResult("outer", [inner, tasks[2]], app=app), tasks[3]]


def test_a_row_is_in_the_order_of_the_parts() -> None:
    assert in_a_row(parts(2, 0, 3), METAS) == [2, 0, 3]
    assert in_a_row([], METAS) == []


@pytest.mark.usefixtures("backend")
def test_groups_are_lists_in_lists(app: Celery) -> None:
    assert in_structure(structure(app), METAS) == [0, [[1], 2], 3]
    assert ids_in(structure(app)) == ["task-0", "task-1", "task-2", "task-3"]


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("status", ["FAILURE", "REVOKED"])
def test_a_failed_task_is_the_cause_of_the_error(app: Celery, status: str) -> None:
    wrong = KeyError("k")
    metas = {**METAS, "task-1": {"status": status, "result": wrong}}
    with pytest.raises(ChordError, match=r"Dependency task-1 raised KeyError\('k'\)") as raised:
        in_a_row(parts(0, 1), metas)
    assert raised.value.__cause__ is wrong
    with pytest.raises(ChordError, match="Dependency task-1 raised"):
        in_structure(structure(app), metas)


def test_a_result_that_is_gone_is_named() -> None:
    with pytest.raises(ChordError, match="Dependency task-9: its result no longer exists"):
        in_a_row(parts(9), METAS)
