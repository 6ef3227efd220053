"""The quarantine file: messages that were not sent, whole, so that they can be sent later.

It is the only copy of each: what is added is on the disk before its source forgets it. JSON lines,
for people and programs; the message itself is in base64, because it may be anything. A process that
was killed may have left half a line, whose message is still in its source, or the same message
twice, under one key.

The form is public: golden files hold it, CHANGELOG.md tells of changes.
"""

import base64
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import Any

from kombu.utils.json import dumps

from celery_aws.errors import ConfigurationError
from celery_aws.migrate.messages import Carried, Fate, Message, Unreadable

#: Behind the name of the journal.
SUFFIX = ".quarantine.jsonl"


@dataclass(frozen=True, kw_only=True)
class Quarantined:
    """A message that was not sent.

    Attributes:
        message: it.
        fate: ``QUARANTINED``, or ``REVOKED``.
        reason: why, for the operator.
    """

    message: Message
    fate: Fate
    reason: str


class Quarantine:
    """One quarantine file; thread-safe. It is made with the first message.

    Args:
        path: of the file.
        source: where its messages come from, without secrets.
    """

    def __init__(self, path: Path, *, source: str) -> None:
        self.path = path
        self._source = source
        self._lock = Lock()

    @classmethod
    def beside(cls, journal: Path, *, source: str) -> "Quarantine":
        """Return the one that belongs to a journal."""
        return cls(journal.with_name(journal.name + SUFFIX), source=source)

    def add(self, messages: Sequence[Quarantined], *, now: datetime) -> None:
        """Write messages, and wait until they are on the disk.

        Args:
            messages: what was not sent.
            now: aware.

        Raises:
            ConfigurationError: the file cannot be written.
        """
        if not messages:
            return
        lines = "".join(self._line(each, now) + "\n" for each in messages)
        try:
            with self._lock:
                _append(self.path, lines.encode())
        except OSError as error:
            raise ConfigurationError(
                f"the quarantine file {self.path} cannot be written: {error}", where="--journal"
            ) from error

    def lines(self) -> Iterator[dict[str, Any]]:
        """Yield what each whole line says, in the order in which they were written."""
        if not self.path.exists():
            return
        with self.path.open(encoding="utf-8", errors="replace") as file:
            for line in file:
                # Half of one: somebody was killed.
                with suppress(ValueError):
                    yield json.loads(line)

    def _line(self, quarantined: Quarantined, now: datetime) -> str:
        message = quarantined.message
        return json.dumps(
            {
                "at": now.isoformat(),
                "source": self._source,
                "queue": message.queue,
                "key": message.key,
                "fate": quarantined.fate.value,
                "reason": quarantined.reason,
                **_content(message),
            }
        )


def _content(message: Message) -> dict[str, Any]:
    if isinstance(message, Unreadable):
        return {"form": "bytes", "raw": base64.b64encode(message.raw).decode("ascii")}
    envelope = dumps(message.envelope).encode()
    return {
        "task_id": message.task_id,
        "task": _task(message),
        "priority": message.priority,
        "form": "envelope",
        "raw": base64.b64encode(envelope).decode("ascii"),
    }


def _task(message: Carried) -> str | None:
    task = (message.envelope.get("headers") or {}).get("task")
    return task if isinstance(task, str) else None


def _append(path: Path, content: bytes) -> None:
    new = not path.exists()
    # What is in there may be secret.
    file = os.open(path, os.O_CREAT | os.O_RDWR | os.O_APPEND, 0o600)
    try:
        if not _ends_with_line(file):
            content = b"\n" + content
        while content:
            content = content[os.write(file, content) :]
        os.fsync(file)
    finally:
        os.close(file)
    if new:
        _sync_folder(path.parent)


def _ends_with_line(file: int) -> bool:
    size_bytes = os.fstat(file).st_size
    return size_bytes == 0 or os.pread(file, 1, size_bytes - 1) == b"\n"


def _sync_folder(folder: Path) -> None:
    """Let the name of a new file be on the disk, too."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
