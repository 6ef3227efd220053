"""The journal of a migration: what became of every message that was claimed.

It is written after a message was sent and before its source forgets it. So whoever is killed in
between finds the message claimed, and its fate here, and sends it no second time. One SQLite file,
in write-ahead mode: a process that is killed at any instruction loses nothing of it. A machine that
loses its power may lose the last moments, as each of them would cost a sync of the disk; then what
was claimed there is sent once more.

A *passage* is a move in one direction: all runs from one address, until one comes from another. A
message that was moved back and is moved again has the key that it had, and its old fate must not
count: fates are those of the passage that is under way, and of those before it in the same
direction, which may have had another spelling of the same address.
"""

import contextlib
import fcntl
import json
import os
import sqlite3
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TypeAlias

from celery_aws.errors import CeleryAwsError, ConfigurationError
from celery_aws.migrate.messages import Fate
from celery_aws.names import AmqpQueue

#: Seconds for which a write waits for those of other threads.
_BUSY_SECONDS = 30.0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS passage (
    number INTEGER PRIMARY KEY, name TEXT NOT NULL, source TEXT NOT NULL, target TEXT NOT NULL,
    began TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS message (
    passage INTEGER NOT NULL, key TEXT NOT NULL, queue TEXT NOT NULL, fate TEXT NOT NULL,
    task_id TEXT, message_id TEXT NOT NULL, parked INTEGER NOT NULL, at TEXT NOT NULL,
    PRIMARY KEY (passage, key)
) WITHOUT ROWID;
"""

_RECORD = """
INSERT OR REPLACE INTO message
SELECT
    (SELECT MAX(number) FROM passage),
    json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
    json_extract(value, '$[3]'), json_extract(value, '$[4]'), json_extract(value, '$[5]'),
    json_extract(value, '$[6]')
FROM json_each(?)
"""

_ENTRIES = """
SELECT key, queue, fate, task_id, message_id, parked, at FROM message
WHERE passage = (SELECT MAX(number) FROM passage) AND (? IS NULL OR fate = ?) ORDER BY key
"""

#: By queue, how many messages have which fate.
Counts: TypeAlias = Mapping[AmqpQueue, Mapping[Fate, int]]


class JournalInUseError(CeleryAwsError):
    """Another run writes this journal at this moment."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What became of one message.

    Attributes:
        key: which one, in its source.
        queue: Celery's name of the queue that it is for, on the new side.
        fate: what became of it.
        at: when that was noted; aware, UTC.
        task_id: of its task; None if it is none, or cannot be read.
        message_id: its name in the target; empty if it has none.
        parked: it went into the schedule.
    """

    key: str
    queue: AmqpQueue
    fate: Fate
    at: datetime
    task_id: str | None = None
    message_id: str = ""
    parked: bool = False


@dataclass(frozen=True, kw_only=True)
class Passage:
    """A move in one direction.

    Attributes:
        number: from 1.
        name: what the marks of its messages say: the number of the first one in its direction,
            unless told. Nothing random: where a journal was lost, second copies are to be known all
            the same.
        source: where from, without secrets.
        target: where to, likewise.
        began: when its first run began; aware, UTC.
    """

    number: int
    name: str
    source: str
    target: str
    began: datetime

    def goes(self, *, source: str, target: str) -> bool:
        """Tell whether a move is in the direction of this one: one of its ends is the same."""
        return self.source == source or self.target == target


class Journal:
    """One journal; thread-safe. Opened it is made, if there is none.

    Args:
        path: of its file. Beside it are SQLite's own two files, and a lock.

    Raises:
        ConfigurationError: it cannot be opened, or is something else.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._threads = threading.local()
        self._connections: list[sqlite3.Connection] = []
        try:
            # With nothing secret in it, but it is nobody else's.
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            self._database.executescript(_SCHEMA)
        except (OSError, sqlite3.DatabaseError) as error:
            self.close()
            raise ConfigurationError(
                f"the journal {path} cannot be opened: {error}", where="--journal"
            ) from error

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Let nobody else run with this journal; a process that dies lets go of it.

        Raises:
            JournalInUseError: somebody does already, and lives.
        """
        lock = os.open(f"{self.path}.lock", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise JournalInUseError(
                    f"another run writes the journal {self.path} and has not ended: wait for it, "
                    "or stop it by SIGTERM"
                ) from error
            yield
        finally:
            os.close(lock)

    def passage(self) -> Passage | None:
        """Return the passage that is under way, or None if nothing was moved yet."""
        row = self._database.execute(
            "SELECT number, name, source, target, began FROM passage ORDER BY number DESC LIMIT 1"
        ).fetchone()
        if row is None:
            return None
        number, name, source, target, began = row
        return Passage(
            number=number,
            name=name,
            source=source,
            target=target,
            began=datetime.fromisoformat(began),
        )

    def begin(self, *, source: str, target: str, now: datetime, name: str | None = None) -> Passage:
        """Go on with the passage that is under way, or begin one if that goes elsewhere.

        Args:
            source: where from, without secrets.
            target: where to, likewise.
            now: when that is; aware.
            name: of the passage if it is a new one; None is its number, or the name of the one
                before it if one of its ends is the same: then it has the same direction, and what
                that one had claimed is known.
        """
        latest = self.passage()
        if latest is not None and (latest.source, latest.target) == (source, target):
            return latest
        number = 1 if latest is None else latest.number + 1
        if name is None:
            goes_on = latest is not None and latest.goes(source=source, target=target)
            name = latest.name if latest is not None and goes_on else str(number)
        self._database.execute(
            "INSERT INTO passage VALUES (?, ?, ?, ?, ?)", (number, name, source, target, _text(now))
        )
        return Passage(number=number, name=name, source=source, target=target, began=now)

    def fates(self, keys: Sequence[str]) -> Mapping[str, Fate]:
        """Return what became of those messages that passages of this name know, by their keys."""
        rows = self._database.execute(
            "SELECT key, fate FROM message WHERE passage IN (SELECT number FROM passage "
            "WHERE name = (SELECT name FROM passage ORDER BY number DESC LIMIT 1)) "
            "AND key IN (SELECT value FROM json_each(?)) ORDER BY passage",
            (json.dumps([_storable(key) for key in keys]),),
        )
        found = {key: Fate(fate) for key, fate in rows}
        return {key: found[_storable(key)] for key in keys if _storable(key) in found}

    def keys_from(self, key: str) -> set[str]:
        """Return which keys messages have that say the same as one: it, and it with a number."""
        # A comma comes behind a plus sign.
        rows = self._database.execute(
            "SELECT key FROM message WHERE passage IN (SELECT number FROM passage "
            "WHERE name = (SELECT name FROM passage ORDER BY number DESC LIMIT 1)) "
            "AND (key = ? OR (key > ? AND key < ?))",
            (key, f"{key}+", f"{key},"),
        )
        return {found for (found,) in rows}

    def record(self, entries: Sequence[Entry]) -> None:
        """Note what became of messages, in one go; what is noted already is replaced.

        Raises:
            ConfigurationError: the file cannot be written, as the disk is full.
        """
        if not entries:
            return
        try:
            # One statement, so that they are written all or none.
            self._database.execute(_RECORD, (json.dumps(list(map(_values, entries))),))
        except sqlite3.OperationalError as error:
            raise ConfigurationError(
                f"the journal {self.path} cannot be written: {error}", where="--journal"
            ) from error

    def counts(self) -> Counts:
        """Return how many messages of the passage under way had which fate, by queue."""
        counts: defaultdict[AmqpQueue, dict[Fate, int]] = defaultdict(dict)
        rows = self._database.execute(
            "SELECT queue, fate, COUNT(*) FROM message "
            "WHERE passage = (SELECT MAX(number) FROM passage) GROUP BY queue, fate ORDER BY queue"
        )
        for queue, fate, count in rows:
            counts[AmqpQueue(queue)][Fate(fate)] = count
        return dict(counts)

    def entries(self, fate: Fate | None = None) -> Iterator[Entry]:
        """Yield what became of the messages of the passage under way, by their keys.

        Args:
            fate: only of those with this one.
        """
        wanted = None if fate is None else fate.value
        rows = self._database.execute(_ENTRIES, (wanted, wanted))
        for key, queue, found, task_id, message_id, parked, at in rows:
            yield Entry(
                key=key,
                queue=AmqpQueue(queue),
                fate=Fate(found),
                at=datetime.fromisoformat(at),
                task_id=task_id,
                message_id=message_id,
                parked=bool(parked),
            )

    def close(self) -> None:
        """Close it, for all threads: none of them may use it any more."""
        for connection in self._connections:
            connection.close()

    @property
    def _database(self) -> sqlite3.Connection:
        """The connection of this thread: they are not shared."""
        found: sqlite3.Connection | None = getattr(self._threads, "connection", None)
        if found is None:
            found = sqlite3.connect(
                self.path,
                timeout=_BUSY_SECONDS,
                isolation_level=None,
                # Whoever closes the journal is another thread.
                check_same_thread=False,
            )
            self._threads.connection = found
            self._connections.append(found)
            found.execute("PRAGMA journal_mode = WAL")
            found.execute("PRAGMA synchronous = NORMAL")
        return found


def _values(entry: Entry) -> tuple[object, ...]:
    return (
        _storable(entry.key),
        _storable(entry.queue),
        entry.fate.value,
        None if entry.task_id is None else _storable(entry.task_id),
        entry.message_id,
        int(entry.parked),
        _text(entry.at),
    )


def _storable(name: str) -> str:
    """Return what SQLite keeps of a name, which may be anything: poison must not stop a run."""
    return name.encode(errors="backslashreplace").decode().replace("\0", "\\0")


def _text(moment: datetime) -> str:
    return moment.astimezone(timezone.utc).isoformat()
