"""Waits for a pytest process, but not for ever, and leaves nothing of it behind."""

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from conformance import limits, progress
from conformance.progress import Progress

#: Seconds between two looks at a process.
_LOOK_SECONDS: Final = 0.5


def allowed_seconds(told: Progress) -> float:
    """Return for how long nothing may happen."""
    if told.running is None:
        return limits.BETWEEN_TESTS_SECONDS
    return told.limit_seconds + limits.GRACE_SECONDS


def watch(process: "subprocess.Popen[bytes]", path: Path) -> bool:
    """Wait for the end of a process.

    Args:
        process: pytest.
        path: file of its progress; when it grows, something has happened.

    Returns:
        True when it has ended; False when nothing happened for too long.
    """
    size, changed = -1, time.monotonic()
    while True:
        try:
            process.wait(_LOOK_SECONDS)
        except subprocess.TimeoutExpired:
            pass
        else:
            return True
        now, grown = time.monotonic(), path.stat().st_size if path.exists() else 0
        if grown != size:
            size, changed = grown, now
        elif now - changed > allowed_seconds(progress.read(path)):
            return False


def kill_group(process: "subprocess.Popen[bytes]") -> None:
    """Kill a process, and the workers that it started or left: its process group is its own."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
