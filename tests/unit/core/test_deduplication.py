import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from celery_aws.core.deduplication import deduplication_id


def test_a_task_is_known_by_its_id() -> None:
    assert deduplication_id({"id": "task-1"}) == "task-1"
    assert deduplication_id({"id": "task-1", "retries": 0, "replaced_task_nesting": 0}) == "task-1"


@pytest.mark.parametrize(
    ("again", "expected"),
    [
        ({"retries": 1}, "task-1:1:0"),
        ({"retries": 2, "replaced_task_nesting": None}, "task-1:2:0"),
        ({"retries": 0, "replaced_task_nesting": 1}, "task-1:0:1"),
        ({"retries": 3, "replaced_task_nesting": 2}, "task-1:3:2"),
    ],
)
def test_a_retry_and_a_replacement_are_no_duplicates(again: dict[str, Any], expected: str) -> None:
    assert deduplication_id({"id": "task-1", **again}) == expected


@pytest.mark.parametrize("headers", [{}, {"id": None}, {"id": ""}, {"id": 7}])
def test_a_message_that_is_no_task_has_none(headers: dict[str, Any]) -> None:
    assert deduplication_id(headers) is None


def test_every_character_that_sqs_takes_is_kept() -> None:
    allowed = string.ascii_letters + string.digits + string.punctuation
    assert deduplication_id({"id": allowed}) == allowed


@given(task_id=st.text(min_size=1), retries=st.integers(0, 3))
def test_any_id_becomes_one_that_sqs_takes(task_id: str, retries: int) -> None:
    made = deduplication_id({"id": task_id, "retries": retries})

    assert made is not None
    assert 1 <= len(made) <= 128
    assert all("!" <= character <= "~" for character in made)
    assert made == deduplication_id({"id": task_id, "retries": retries})
    assert made != deduplication_id({"id": task_id, "retries": retries + 1})
