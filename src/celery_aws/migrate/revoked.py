"""Which task ids were revoked on the old side: their messages are not sent.

A broker does not know. Workers do, in memory, until they stop; a worker with ``--statedb`` writes
them into a file when it stops. What was once collected is kept beside the journal, because later
runs find no worker to ask. With ``broker_read_url`` and ``broker_write_url`` apart, remote control
reaches nobody, as replies go to the other broker: so ask with the old configuration, before.

Facts: celery/worker/state.py (``Persistent``: ``zrevoked``, a compressed pickle of a
``LimitedSet``, and before 3.1 ``revoked``), celery/worker/control.py (``revoked``).
"""

import dbm
import io
import os
import pickle
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from celery_aws.errors import ConfigurationError

#: Seconds within which workers have to answer; all of those that will have done so by then.
TIMEOUT_SECONDS: Final = 5.0

#: What a pickle raises that is none, or not the one that was expected.
_PICKLE_ERRORS: Final = (
    *(pickle.UnpicklingError, zlib.error, EOFError, ValueError),
    *(TypeError, AttributeError, IndexError, KeyError),
)

#: Behind the name of the journal.
_SUFFIX: Final = ".revoked"

#: What shelf files may have behind the name that ``--statedb`` was given.
_SHELF_SUFFIXES: Final = (".dat", ".dir", ".bak")


def revoked_ids(
    old_app: Any,
    *,
    journal: Path,
    statedb: Sequence[Path] = (),
    files: Sequence[Path] = (),
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> frozenset[str]:
    """Return the ids that were ever found to be revoked, and remember them beside the journal.

    Args:
        old_app: whose workers are asked.
        journal: its path.
        statedb: what the old workers were given as ``--statedb``.
        files: with an id on each line.
        timeout_seconds: how long workers may take; with 0 they are not asked.

    Raises:
        ConfigurationError: a file cannot be read.

    Costs no request to AWS, unless the old side is there.
    """
    before = remembered_ids(journal)
    found = collect_revoked(old_app, statedb=statedb, files=files, timeout_seconds=timeout_seconds)
    if found - before:
        remember_ids(journal, before | found)
    return before | found


def collect_revoked(
    old_app: Any,
    *,
    statedb: Sequence[Path] = (),
    files: Sequence[Path] = (),
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> frozenset[str]:
    """Return the ids that the old workers, their state files and other files know to be revoked.

    Args: as of :func:`revoked_ids`.

    Raises:
        ConfigurationError: a file cannot be read.
    """
    found = set(_of_workers(old_app, timeout_seconds)) if timeout_seconds else set[str]()
    for path in statedb:
        found |= ids_of_statedb(path)
    for path in files:
        found |= _ids_of_file(path, where="--revoked-file")
    return frozenset(found)


def remembered_ids(journal: Path) -> frozenset[str]:
    """Return the ids that earlier runs with this journal found.

    Raises:
        ConfigurationError: their file cannot be read.
    """
    path = _beside(journal)
    return _ids_of_file(path, where="--journal") if path.exists() else frozenset()


def remember_ids(journal: Path, ids: Iterable[str]) -> None:
    """Keep ids for later runs, in place of what is kept; whoever is killed leaves one or the other.

    Raises:
        OSError: the file cannot be written.
    """
    path = _beside(journal)
    unfinished = path.with_name(f"{path.name}.new")
    with unfinished.open("w", encoding="utf-8") as file:
        file.writelines(f"{task_id}\n" for task_id in sorted(ids))
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def ids_of_statedb(path: Path) -> frozenset[str]:
    """Return the ids in a file that a worker was given as ``--statedb``.

    Celery itself loads such a file as a pickle when the worker starts; here a pickle may name
    nothing but Celery's own set of ids.

    Args:
        path: as it was given; what the shelf adds to the name is found.

    Raises:
        ConfigurationError: there is none, it is open elsewhere, or it is no such file.
    """
    try:
        # A shelf is a dbm of pickles; opened as a shelf, they would be loaded.
        with dbm.open(str(_shelf(path)), "r") as stored:
            packed, plain = stored.get(b"zrevoked"), stored.get(b"revoked")
    except (*dbm.error, ValueError) as error:
        raise ConfigurationError(
            f"the state file {str(path)!r} cannot be read: {type(error).__name__}: {error}. A "
            "worker that runs may hold it: give a copy, or ask after the worker has stopped",
            where="--statedb",
        ) from error
    try:
        ids = _ids_in(zlib.decompress(_load(packed))) if packed else frozenset()
        return ids | (_ids_in(plain) if plain else frozenset())
    except _PICKLE_ERRORS as error:
        raise ConfigurationError(
            f"the state file {str(path)!r} is none of Celery's: {error}", where="--statedb"
        ) from error


def _of_workers(old_app: Any, timeout_seconds: float) -> Iterable[str]:
    # Without a limit the answer is awaited for the whole of the timeout, so that all are heard.
    answers = old_app.control.inspect(timeout=timeout_seconds).revoked() or {}
    return (str(task_id) for ids in answers.values() for task_id in ids)


def _ids_of_file(path: Path, *, where: str) -> frozenset[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"the file of revoked ids {str(path)!r} cannot be read: {error}", where=where
        ) from error
    return frozenset(line.strip() for line in lines if line.strip())


def _beside(journal: Path) -> Path:
    return journal.with_name(journal.name + _SUFFIX)


def _shelf(path: Path) -> Path:
    """Return the name that the shelf was opened by."""
    return path.with_suffix("") if path.suffix in _SHELF_SUFFIXES else path


class _LimitedSet:
    """Stands in for Celery's set of ids, which would drop those that are old by this host's clock.

    Facts: ``LimitedSet.__reduce__``.
    """

    def __init__(
        self,
        _most: int = 0,
        _expires_seconds: float = 0,
        items: Any = (),
        *_others: object,
    ) -> None:
        self.ids = frozenset(map(str, items or ()))


class _SetUnpickler(pickle.Unpickler):
    """Makes that set, and nothing else that a pickle could name."""

    def find_class(self, module: str, name: str) -> Any:
        if name == "LimitedSet" and module.startswith("celery."):
            return _LimitedSet
        raise pickle.UnpicklingError(f"it names {module}.{name}")


def _load(pickled: bytes) -> Any:
    return _SetUnpickler(io.BytesIO(pickled)).load()


def _ids_in(pickled: bytes) -> frozenset[str]:
    found = _load(pickled)
    if isinstance(found, _LimitedSet):
        return found.ids
    if not isinstance(found, (dict, set, list, tuple)):
        raise TypeError(f"it holds a {type(found).__name__}")
    return frozenset(map(str, found))
