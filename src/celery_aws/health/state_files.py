"""The files in which workers leave their states, one a worker, in a directory of the user's.

The directory is found by worker and probe alike, without the app. It is memory where there is
``/dev/shm``, which is also there when a container's file system may only be read. Another user can
neither read it nor put a state into it. Nothing but the standard library is imported, and little
of that: a probe starts a process for each look.
"""

import json
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from celery_aws.health.processes import is_same
from celery_aws.health.worker_state import WorkerState

#: Names the directory, instead of one of the user's.
DIRECTORY_VARIABLE = "CELERY_AWS_HEALTH_DIR"

_ENDING = ".json"

#: What is taken over of a node's name into that of its file, beside letters and digits.
_PLAIN = "@._-"

#: How a new state is opened: not through a link that somebody has left there.
_NEW = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW

#: Most characters of a node's name in that of its file.
_NAME_CHARACTERS = 150


@dataclass(frozen=True)
class StateDirectory:
    """A place for states.

    Attributes:
        path: of the directory.
        named: somebody has chosen it; then it may be anybody's.
    """

    path: str
    named: bool = False

    @property
    def trusted(self) -> bool:
        """True if it is there, and nobody else can have put something into it unasked."""
        if self.named:
            return os.path.isdir(self.path)
        try:
            # Not what a link of somebody else's points to.
            found = os.lstat(self.path)
        except OSError:
            return False
        others_write = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not others_write

    def make(self) -> None:
        """Make the directory, for this user alone, unless it is there.

        Raises:
            OSError: it cannot be made, or is another user's.
        """
        os.makedirs(self.path, mode=0o700, exist_ok=True)
        if not self.trusted:
            raise PermissionError(f"{self.path} is not this user's alone")


def directories(environment: Mapping[str, str]) -> list[StateDirectory]:
    """Return where states may be, the best place first."""
    given = environment.get(DIRECTORY_VARIABLE)
    if given:
        return [StateDirectory(given, named=True)]
    user = f"celery-aws-{os.getuid()}"
    bases = ("/dev/shm", _temporary(environment))  # noqa: S108
    return [StateDirectory(os.path.join(base, user)) for base in bases if os.path.isdir(base)]


class StateFile:
    """The file of one worker.

    Args:
        directory: its place; it is made if it is missing.
        node: the worker's name.
        pid: of its main process.
    """

    def __init__(self, directory: StateDirectory, node: str, pid: int) -> None:
        self.directory = directory
        name = "".join(c if c.isalnum() or c in _PLAIN else "_" for c in node)[:_NAME_CHARACTERS]
        self.path = os.path.join(directory.path, f"{name}.{pid}{_ENDING}")

    def try_to_write(self, state: WorkerState) -> OSError | None:
        """Write, and return why that was not possible, or None."""
        try:
            self.write(state)
        except OSError as error:
            return error
        return None

    def write(self, state: WorkerState) -> None:
        """Replace what is in it, at once for whoever reads.

        Raises:
            OSError: it cannot be written, or its directory is another user's.
        """
        self.directory.make()
        new = f"{self.path}.new"
        descriptor = os.open(new, _NEW, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(state.as_json(), file)
        os.replace(new, self.path)

    def remove(self) -> None:
        """Remove it; the worker has ended, and nobody shall miss its signs of life."""
        for path in (self.path, f"{self.path}.new"):
            _remove(path)


def read_states(environment: Mapping[str, str]) -> list[WorkerState]:
    """Return the states of the workers whose processes are there, by name and pid."""
    latest: dict[int, WorkerState] = {}
    for _, state in _states(environment):
        known = latest.get(state.pid)
        # A worker whose first place has failed goes on in the next.
        if _is_there(state) and (known is None or known.written_at < state.written_at):
            latest[state.pid] = state
    return sorted(latest.values(), key=lambda state: (state.node, state.pid))


def remove_left_behind(environment: Mapping[str, str]) -> None:
    """Remove the files of workers whose processes have gone, killed perhaps."""
    for path, state in list(_states(environment)):
        if not _is_there(state):
            _remove(path)


def _is_there(state: WorkerState) -> bool:
    return is_same(state.pid, state.process_started)


def _states(environment: Mapping[str, str]) -> Iterator[tuple[str, WorkerState]]:
    for directory in directories(environment):
        if not directory.trusted:
            continue
        for name in _names(directory):
            if name.endswith(_ENDING):
                path = os.path.join(directory.path, name)
                state = _read(path)
                if state is not None:
                    yield path, state


def _names(directory: StateDirectory) -> list[str]:
    try:
        return os.listdir(directory.path)
    except OSError:
        return []  # it has just gone, or may not be read: nobody is found in it


def _read(path: str) -> WorkerState | None:
    try:
        with open(path, encoding="utf-8") as file:
            return WorkerState.from_text(file.read())
    except (OSError, ValueError):
        return None  # it has just gone, or is of another version


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        return  # somebody else has, or it was never there


def _temporary(environment: Mapping[str, str]) -> str:
    # tempfile would be slow to import, and looks for a place that can be written to.
    return environment.get("TMPDIR") or "/tmp"  # noqa: S108
