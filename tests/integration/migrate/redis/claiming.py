"""A process that moves what it can, and is killed at the Nth command that it sends to Redis.

Not a test: test_kills.py runs it. What it sends goes into a file; the journal is another.
"""

import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from redis.connection import AbstractConnection

from celery_aws.migrate.messages import Carried
from celery_aws.migrate.redis.source import RedisSource
from celery_aws.migrate.sides import Claim
from tests.integration.migrate.redis.old_side import app_on, source_of

#: Exits with this when there was no Nth command.
DONE = 0


def main(url: str, folder: Path) -> None:
    """For each line of input move everything in a process of its own, and tell how it ended."""
    app = app_on(url)
    for line in sys.stdin:
        number, moment = line.split()
        pid = os.fork()
        if not pid:
            kill_at(int(number), after=moment == "after")
            move(source_of(app, run=f"run-{os.getpid()}", take_held=True), folder)
            os._exit(DONE)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def kill_at(number: int, *, after: bool) -> None:
    """Kill this process at its Nth command: before it is on the wire, or before its answer."""
    send: Callable[..., Any] = AbstractConnection.send_packed_command
    sent = 0

    def counted(self: Any, *args: Any, **options: Any) -> None:
        nonlocal sent
        sent += 1
        if sent == number and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        send(self, *args, **options)
        if sent == number and after:
            os.kill(os.getpid(), signal.SIGKILL)

    setattr(AbstractConnection, "send_packed_command", counted)  # noqa: B010 - mypy: it is a method


def move(source: RedisSource, folder: Path) -> None:
    """Move everything, as a run does."""
    for take in (source.recover, source.claim):
        while claims := take(10):
            known = journal(folder)
            new = [each for each in claims if not (each.seen_before and each.message.key in known)]
            append(folder / "sent", [content_of(each) for each in new])
            append(folder / "journal", [each.message.key for each in new])
            source.commit(claims)
    source.close()


def journal(folder: Path) -> set[str]:
    """Return the keys that were noted."""
    return {json.loads(line) for line in lines(folder / "journal")}


def content_of(claim: Claim) -> str:
    """Return what tells a message from all others."""
    message = claim.message
    return str(message.task_id) if isinstance(message, Carried) else repr(message.raw)


def append(path: Path, values: Sequence[str]) -> None:
    """Add lines to a file at once."""
    with path.open("a") as file:
        file.write("".join(f"{json.dumps(value)}\n" for value in values))


def lines(path: Path) -> list[str]:
    """Return the lines of a file, none if it is not there."""
    return path.read_text().splitlines() if path.exists() else []


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
