"""What is on the old side: its broker, and its result backend if it has one."""

from typing import Any

import pytest
from celery import Celery

from celery_aws.migrate import counting
from celery_aws.migrate.inventory import Inventory, ResultCount
from tests.unit.migrate.scenes import count, inventory


@pytest.fixture(autouse=True)
def broker(monkeypatch: pytest.MonkeyPatch) -> None:
    def found(app: Any, **_: Any) -> Inventory:
        return inventory(count("celery", 3), notes=("a note",))

    monkeypatch.setattr(counting, "inventory_of", found)


def test_an_app_without_results_has_none_to_copy() -> None:
    with Celery("old", set_as_current=False, broker="redis://", backend="disabled") as app:
        found = counting.old_side_inventory(app)
    assert found.results == ResultCount(results={})
    assert found.notes[0] == "a note"
    assert "--results-from" in found.notes[1]


def test_results_that_cannot_be_listed_are_not_counted() -> None:
    with Celery("old", set_as_current=False, backend="cache+memory://") as app:
        found = counting.old_side_inventory(app)
        assert found == counting.old_side_inventory(app, results=False)
    assert (found.results, found.notes) == (None, ("a note",))
