"""What is dropped from a dead-letter queue, written down before: a line of JSON for each message.

A line has all that SQS had of a message, and what was in S3 of it, so that it can be sent again.
The form is public: golden files hold it, CHANGELOG.md tells of changes.
"""

import base64
import json
import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any

from celery_aws.core.messages import S3Pointer
from celery_aws.dlq.letters import Letter
from celery_aws.errors import ConfigurationError
from celery_aws.names import QueueName

if TYPE_CHECKING:
    from typing_extensions import Self


def archived(queue: QueueName, letter: Letter, stored_body: str | None) -> dict[str, Any]:
    """Return the line of a dead letter.

    Args:
        queue: where it was.
        letter: the dead letter.
        stored_body: what its body in S3 was; None if it had none there.
    """
    buried = letter.buried
    message, pointer = buried.message, letter.pointer
    return {
        "queue": queue,
        "message_id": message.message_id,
        "task": letter.task,
        "task_id": letter.task_id,
        "sent_at": _moment(message.sent_at),
        "first_received_at": _moment(buried.first_received_at),
        "receive_count": message.receive_count,
        "source": buried.source,
        "message_group_id": message.message_group_id,
        "message_attributes": {
            name: _attribute(value) for name, value in message.message_attributes.items()
        },
        "body": message.body,
        "s3": None if pointer is None else _pointer(pointer),
        "stored_body": stored_body,
    }


class Archive:
    """A file that lines are added to; a context manager. Only its owner may read a new one.

    Args:
        path: of the file; one that is there is continued.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[str] | None = None

    def write(self, lines: Sequence[Mapping[str, Any]]) -> None:
        """Add lines, and return once the disk has them.

        Raises:
            ConfigurationError: the file cannot be opened.
            OSError: it cannot be written any more.
        """
        file = self._opened()
        file.writelines(json.dumps(line) + "\n" for line in lines)
        file.flush()
        os.fsync(file.fileno())

    def _opened(self) -> IO[str]:
        if self._file is None:
            self._file = _open(self._path)
            _sync_folder(self._path)
        return self._file

    def __enter__(self) -> "Self":
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()


def _open(path: Path) -> IO[str]:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be written: {error.strerror}", where="--archive"
        ) from error
    return os.fdopen(handle, "a", encoding="ascii")


def _sync_folder(path: Path) -> None:
    # Or the name of a new file may be lost with the power, whatever is in it.
    handle = os.open(path.absolute().parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _pointer(pointer: S3Pointer) -> dict[str, str]:
    return {"bucket": pointer.bucket, "key": pointer.key}


def _attribute(attribute: Mapping[str, Any]) -> dict[str, Any]:
    """Return a message attribute in SQS's form, with a binary value as base64."""
    return {
        key: base64.b64encode(value).decode("ascii") if isinstance(value, bytes) else value
        for key, value in attribute.items()
    }
