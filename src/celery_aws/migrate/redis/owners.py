"""Whose a list of claimed messages is, and whether that process is still there.

A run that was killed must be taken over at once where it can be seen that it is gone, and where it
cannot, only when its sign of life has expired: process ids of another machine or container say
nothing here.
"""

import json
import os
import socket
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Owner:
    """One process.

    Attributes:
        place: where its id means something: machine, boot and namespace of process ids.
        pid: its id.
        started: when it started, in a form of its place; empty if that is not known.
    """

    place: str
    pid: int
    started: str

    def text(self) -> str:
        """Return what is stored."""
        return json.dumps(asdict(self))


def owner_of(text: bytes | str) -> Owner | None:
    """Undo :meth:`Owner.text`; None if it says something else."""
    try:
        return Owner(**json.loads(text))
    except (TypeError, ValueError):
        return None


def this_process() -> Owner:
    """Return the process that asks."""
    return Owner(place=_place(), pid=os.getpid(), started=_started(os.getpid()) or "")


def is_gone(owner: Owner) -> bool:
    """Tell whether a process has certainly ended; False if that cannot be seen from here."""
    if owner.place != _place():
        return False
    try:
        os.kill(owner.pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    started = _started(owner.pid)
    return started is not None and bool(owner.started) and started != owner.started


def _place() -> str:
    return "/".join((socket.gethostname(), _text("/proc/sys/kernel/random/boot_id"), _namespace()))


def _namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def _text(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def _started(pid: int) -> str | None:
    """Return when a process started, in ticks since the boot; None if that is not to be had.

    One that has ended and that its parent has not asked about has not started at all.
    """
    statistics = _text(f"/proc/{pid}/stat").rpartition(")")[2].split()
    if not statistics:
        return None
    return "ended" if statistics[0] in ("Z", "X") else statistics[19]
