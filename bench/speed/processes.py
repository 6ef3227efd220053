"""What processes have used, as Linux accounts for it (``man 5 proc``)."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_KIB = 1024

#: Places in /proc/PID/stat behind the program's name: utime, stime; those of children that ended.
_OWN, _ENDED = slice(11, 13), slice(13, 15)


@dataclass(frozen=True, kw_only=True)
class CpuSeconds:
    """Of a process, and of its children, those that have ended included."""

    parent: float
    children: float

    def __sub__(self, earlier: "CpuSeconds") -> "CpuSeconds":
        return CpuSeconds(
            parent=self.parent - earlier.parent, children=self.children - earlier.children
        )


def cpu_seconds(pid: int, children: Iterable[int]) -> CpuSeconds:
    """Return the CPU time of a process and its children, in steps of 10 ms."""
    stat = _stat(pid)
    alive = sum(sum(map(int, _stat(child)[_OWN])) for child in children)
    return CpuSeconds(
        parent=sum(map(int, stat[_OWN])) / _TICKS_PER_SECOND,
        children=(sum(map(int, stat[_ENDED])) + alive) / _TICKS_PER_SECOND,
    )


def shared_out_bytes(pids: Iterable[int]) -> int:
    """Return the memory of processes, what they share counted once (PSS)."""
    return sum(map(_pss_bytes, pids))


def _stat(pid: int) -> list[str]:
    # The name may have blanks and parentheses in it.
    text = Path(f"/proc/{pid}/stat").read_text()
    return text[text.rindex(")") + 2 :].split()


def _pss_bytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * _KIB
    return 0
