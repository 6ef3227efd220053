"""Revoked ids, from workers, from the files that they leave, and from earlier runs."""

import dbm
import pickle
import shelve
import types
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from celery.utils.collections import LimitedSet
from celery.worker.state import Persistent

from celery_aws.errors import ConfigurationError
from celery_aws.migrate.revoked import (
    collect_revoked,
    ids_of_statedb,
    remember_ids,
    remembered_ids,
    revoked_ids,
)


class OldApp:
    """An app with workers that answer."""

    def __init__(self, answers: Mapping[str, list[str]] | None = None) -> None:
        self.control = self
        self.answers = answers
        self.timeouts: list[float] = []

    def inspect(self, *, timeout: float) -> "OldApp":
        self.timeouts.append(timeout)
        return self

    def revoked(self) -> Mapping[str, list[str]] | None:
        return self.answers


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


def state_file(path: Path, *ids: str) -> Path:
    """What a worker writes when it stops."""
    state: Any = types.SimpleNamespace(
        revoked=LimitedSet(maxlen=50_000, expires=10_800), merge_revoked=lambda saved: None
    )
    for task_id in ids:
        state.revoked.add(task_id)
    stored = Persistent(state, str(path))
    stored.save()
    return path


def put(path: Path, **values: Any) -> Path:
    with shelve.open(str(path)) as shelf:
        shelf.update(values)
    return path


def test_workers_are_asked_with_a_deadline() -> None:
    app = OldApp({"one@host": ["a", "b"], "two@host": ["b", "c"]})
    assert collect_revoked(app, timeout_seconds=2.5) == {"a", "b", "c"}
    assert app.timeouts == [2.5]


def test_no_worker_answers() -> None:
    assert collect_revoked(OldApp(None)) == frozenset()


def test_workers_may_not_be_asked() -> None:
    app = OldApp({"one": ["a"]})
    assert collect_revoked(app, timeout_seconds=0) == frozenset()
    assert app.timeouts == []


def test_a_state_file_is_read_as_a_worker_wrote_it(tmp_path: Path) -> None:
    assert ids_of_statedb(state_file(tmp_path / "worker.state", "a", "b")) == {"a", "b"}


def test_what_is_old_by_the_clock_of_this_host_counts(tmp_path: Path) -> None:
    ancient = LimitedSet(maxlen=10, expires=10_800)
    ancient.add("a", now=-1e9)
    path = put(tmp_path / "worker.state", zrevoked=zlib.compress(pickle.dumps(ancient)))
    assert ids_of_statedb(path) == {"a"}


@pytest.mark.parametrize("suffix", [".dat", ".dir"])
def test_a_state_file_may_be_named_by_what_is_on_disk(tmp_path: Path, suffix: str) -> None:
    state_file(tmp_path / "worker.state", "a")
    if dbm.whichdb(str(tmp_path / "worker.state")) != "dbm.dumb":
        pytest.skip("this dbm has one file")
    assert ids_of_statedb(tmp_path / f"worker.state{suffix}") == {"a"}


@pytest.mark.parametrize("saved", [LimitedSet(data=["a", "b"]), {"a": 1.0, "b": 2.0}, {"a", "b"}])
def test_state_files_of_old_celery_are_read(tmp_path: Path, saved: Any) -> None:
    assert ids_of_statedb(put(tmp_path / "worker.state", revoked=saved)) == {"a", "b"}


def test_a_state_file_without_revoked_ids_has_none(tmp_path: Path) -> None:
    assert ids_of_statedb(put(tmp_path / "worker.state", clock=3)) == frozenset()


class Harmful:
    """Would run something when it is loaded."""

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, ("raise SystemExit",)


@pytest.mark.parametrize(
    "values",
    [
        {"revoked": Harmful()},
        {"zrevoked": Harmful()},
        {"zrevoked": zlib.compress(pickle.dumps(Harmful()))},
        {"zrevoked": b"no zlib"},
        {"zrevoked": 3},
        {"revoked": 3},
    ],
)
def test_another_file_is_refused_and_makes_nothing(tmp_path: Path, values: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"worker\.state' is none of Celery's"):
        ids_of_statedb(put(tmp_path / "worker.state", **values))


def test_a_state_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        ids_of_statedb(tmp_path / "worker.state")


def test_a_file_has_an_id_on_each_line(tmp_path: Path) -> None:
    path = tmp_path / "ids"
    path.write_text("a\n\n  b  \r\nc")
    assert collect_revoked(OldApp(), files=[path]) == {"a", "b", "c"}


def test_a_file_of_ids_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"of revoked ids .* cannot be read"):
        collect_revoked(OldApp(), files=[tmp_path / "none"])


def test_ids_are_remembered_for_runs_that_find_no_worker(journal: Path) -> None:
    assert revoked_ids(OldApp({"one@host": ["a"]}), journal=journal) == {"a"}
    assert revoked_ids(OldApp({"one@host": ["b"]}), journal=journal) == {"a", "b"}
    assert revoked_ids(OldApp(None), journal=journal) == {"a", "b"}


def test_nothing_is_written_if_there_is_nothing_new(journal: Path) -> None:
    revoked_ids(OldApp(None), journal=journal)
    assert list(journal.parent.iterdir()) == []


def test_a_process_that_is_killed_leaves_what_was_there(journal: Path) -> None:
    remember_ids(journal, {"a"})
    (journal.parent / f"{journal.name}.revoked.new").write_text("half of it")
    assert remembered_ids(journal) == {"a"}
    remember_ids(journal, {"a", "b"})
    assert remembered_ids(journal) == {"a", "b"}
    assert [each.name for each in journal.parent.iterdir()] == [f"{journal.name}.revoked"]
