import os
from dataclasses import replace
from pathlib import Path

import pytest

from celery_aws.health.processes import started_at
from celery_aws.health.state_files import (
    DIRECTORY_VARIABLE,
    StateDirectory,
    StateFile,
    directories,
    read_states,
    remove_left_behind,
)
from celery_aws.health.worker_state import WorkerState
from tests.unit.health.states import state

OWN = os.getpid()


def of_this_process(**changes: object) -> WorkerState:
    return replace(state(pid=OWN, process_started=started_at(OWN)), **changes)  # type: ignore[arg-type]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {DIRECTORY_VARIABLE: str(tmp_path / "health")}


def file(environment: dict[str, str], node: str = "one@host", pid: int = OWN) -> StateFile:
    return StateFile(directories(environment)[0], node, pid)


def test_a_state_is_read_as_it_was_written_last(environment: dict[str, str]) -> None:
    assert read_states(environment) == []
    for phase in ("starting", "running"):
        file(environment).write(of_this_process(phase=phase))
    assert read_states(environment) == [of_this_process(phase="running")]


def test_nobody_else_may_read_it(environment: dict[str, str]) -> None:
    before = os.umask(0)
    try:
        file(environment).write(of_this_process())
    finally:
        os.umask(before)
    directory = Path(environment[DIRECTORY_VARIABLE])
    (only,) = directory.iterdir()
    assert directory.stat().st_mode & 0o777 == 0o700
    assert only.stat().st_mode & 0o777 == 0o600


def test_any_name_of_a_node_is_one_of_a_file(environment: dict[str, str]) -> None:
    written = file(environment, node=f"../../etc/{'x' * 300}@hôst name")
    written.write(of_this_process())
    path = Path(written.path)
    assert path.parent == Path(environment[DIRECTORY_VARIABLE])
    assert path.name.startswith(".._.._etc_xxx")
    assert len(path.name) < 200
    assert len(read_states(environment)) == 1


def test_in_a_directory_that_may_not_be_listed_nobody_is_found(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tests may run as root, who may."""

    def refused(path: str) -> list[str]:
        raise PermissionError(path)

    file(environment).write(of_this_process())
    monkeypatch.setattr(os, "listdir", refused)
    assert read_states(environment) == []
    remove_left_behind(environment)


def test_of_a_worker_that_has_gone_nothing_is_read_and_the_next_one_clears_up(
    environment: dict[str, str],
) -> None:
    gone, reused = 2**22 + 1, of_this_process(process_started=1)
    file(environment, pid=gone).write(state(pid=gone))
    file(environment, node="reused@host").write(reused)
    file(environment).write(of_this_process())
    assert read_states(environment) == [of_this_process()]
    remove_left_behind(environment)
    assert [Path(file(environment).path)] == list(Path(environment[DIRECTORY_VARIABLE]).iterdir())


def test_what_cannot_be_understood_is_passed_over(environment: dict[str, str]) -> None:
    file(environment).write(of_this_process())
    directory = Path(environment[DIRECTORY_VARIABLE])
    (directory / "two@host.1.json").write_text('{"version": 99}')
    (directory / "three@host.2.json").mkdir()
    (directory / "notes.txt").write_text("{")
    assert len(read_states(environment)) == 1
    remove_left_behind(environment)
    assert len(list(directory.iterdir())) == 4


def test_removed_it_is_gone_and_removing_again_is_nothing(environment: dict[str, str]) -> None:
    written = file(environment)
    written.write(of_this_process())
    written.remove()
    written.remove()
    assert read_states(environment) == []


def test_the_users_own_directory_is_found_without_being_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = directories({"TMPDIR": str(tmp_path)})
    assert places[-1] == StateDirectory(str(tmp_path / f"celery-aws-{os.getuid()}"))
    assert not places[-1].trusted
    places[-1].make()
    assert places[-1].trusted


def test_what_others_may_write_to_is_not_trusted(tmp_path: Path) -> None:
    place = StateDirectory(str(tmp_path / "open"))
    place.make()
    Path(place.path).chmod(0o777)
    assert not place.trusted
    assert StateDirectory(place.path, named=True).trusted
    error = StateFile(place, "one@host", OWN).try_to_write(of_this_process())
    assert "is not this user's alone" in str(error)


def test_a_link_of_somebody_elses_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir(mode=0o700)
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "target")
    assert not StateDirectory(str(link)).trusted

    place = StateDirectory(str(tmp_path / "named"), named=True)
    place.make()
    written = StateFile(place, "one@host", OWN)
    Path(f"{written.path}.new").symlink_to(tmp_path / "victim")
    assert written.try_to_write(of_this_process()) is not None
    assert not (tmp_path / "victim").exists()


def test_of_two_places_the_later_state_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = [StateDirectory(str(tmp_path / name), named=True) for name in ("memory", "disk")]
    monkeypatch.setattr("celery_aws.health.state_files.directories", lambda _: places)
    for place, at in zip(places, (5.0, 9.0), strict=True):
        StateFile(place, "one@host", OWN).write(of_this_process(written_at=at))
    assert [each.written_at for each in read_states({})] == [9.0]
