"""What the operating system says of a process, without asking it.

Linux says it under ``/proc`` (proc(5)); elsewhere there is less to know.
"""

import os
from typing import Literal

ProcessCondition = Literal["running", "stopped", "gone"]

#: Letters of proc(5): stopped by a signal, stopped by a debugger; a zombie, and dead.
_STOPPED = ("T", "t")
_GONE = ("Z", "X")

#: Of the fields behind the name: its state, and when it began.
_STATE, _STARTED = 0, 19


def condition_of(pid: int) -> ProcessCondition:
    """Return whether a process runs; where nobody says more, one that exists does."""
    fields = _fields(pid)
    if fields is None:
        return "running" if _exists(pid) else "gone"
    if fields[_STATE] in _GONE:
        return "gone"
    return "stopped" if fields[_STATE] in _STOPPED else "running"


def started_at(pid: int) -> int | None:
    """Return when a process began, in ticks since the machine did; None if nobody says.

    Two processes that had one number after the other differ in it.
    """
    fields = _fields(pid)
    return None if fields is None else int(fields[_STARTED])


def is_same(pid: int, process_started: int | None) -> bool:
    """Tell whether the process of this number is the one that began then."""
    if condition_of(pid) == "gone":
        return False
    now = started_at(pid)
    return now is None or process_started is None or now == process_started


def _fields(pid: int) -> list[str] | None:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            # The name, in parentheses, may have spaces and parentheses of its own.
            return file.read().rpartition(")")[2].split()
    except OSError:
        return None


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
