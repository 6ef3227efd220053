"""What really ran: each start and each end of a task is a line of one file.

A line is one write at the end of the file, so that processes cannot mix theirs up, and what a
killed process has written is whole. Neither broker nor result backend is asked.
"""

import json
import os
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Execution:
    """One that shall happen: a task, and which of its tries."""

    task_id: str
    retries: int = 0


@dataclass(frozen=True, kw_only=True)
class Run:
    """One that did.

    Attributes:
        run: its number, of its own.
        worker: where.
        pid: of its process.
        started: seconds of the monotonic clock, which the processes of a machine share (Linux).
        ended: the same; None if it has not.
    """

    run: str
    worker: str
    pid: int
    started: float
    ended: float | None = None


class Ledger:
    """The file."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    def write(self, **line: Any) -> None:
        """Append a line."""
        text = json.dumps({**line, "at": time.monotonic(), "pid": os.getpid()}) + "\n"
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, mode=0o600)
        try:
            os.write(descriptor, text.encode())
        finally:
            os.close(descriptor)

    def lines(self) -> Iterable[Mapping[str, Any]]:
        """Return what is written now, in the order of writing."""
        if not self.path.exists():
            return []
        whole, _, _ = self.path.read_bytes().rpartition(b"\n")
        return [json.loads(line) for line in whole.splitlines()]

    def runs(self) -> dict[Execution, list[Run]]:
        """Return what has started, in order."""
        lines = list(self.lines())
        ends = {line["run"]: line["at"] for line in lines if line["event"] == "ended"}
        runs: dict[Execution, list[Run]] = defaultdict(list)
        for line in lines:
            if line["event"] == "started":
                runs[Execution(line["task_id"], line["retries"])].append(
                    Run(
                        run=line["run"],
                        worker=line["worker"],
                        pid=line["pid"],
                        started=line["at"],
                        ended=ends.get(line["run"]),
                    )
                )
        return runs
