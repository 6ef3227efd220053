"""A program on a terminal, for those that draw on one."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

_LINES, _COLUMNS = 40, 160

_END_SECONDS = 30.0

_CHUNK_BYTES = 65_536


class Screen:
    """What was drawn so far, with the codes that a terminal understands.

    Args:
        descriptor: of the terminal's other end.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._drawn = b""

    def tail(self) -> str:
        """Return what was drawn last."""
        return self._drawn[-2_000:].decode(errors="replace")

    def wait_for(self, text: str, timeout_seconds: float) -> bool:
        """Wait until a text was drawn; False when the time is up."""
        deadline = time.monotonic() + timeout_seconds
        while text.encode() not in self._drawn:
            seconds = max(0.0, deadline - time.monotonic())
            ready, _, _ = select.select([self._descriptor], [], [], seconds)
            if not ready:
                return False
            self._drawn += os.read(self._descriptor, _CHUNK_BYTES)
        return True

    def read_to_end(self) -> None:
        """Read until nobody can draw any more: what is not read may keep a program from its end."""
        try:
            while chunk := os.read(self._descriptor, _CHUNK_BYTES):
                self._drawn += chunk
        except OSError:
            # This is how Linux says that nobody can.
            return


@contextmanager
def on_screen(
    command: Sequence[str], environment: Mapping[str, str], directory: Path
) -> Iterator[Screen]:
    """Run a program on a terminal beside the block, and end it by a Ctrl-C.

    Raises:
        AssertionError: it ended with an error.
    """
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", _LINES, _COLUMNS, 0, 0))
    process = subprocess.Popen(
        command,
        cwd=directory,
        env={**environment, "TERM": "xterm"},
        stdin=its,
        stdout=its,
        stderr=its,
        start_new_session=True,
    )
    os.close(its)
    screen = Screen(ours)
    try:
        yield screen
    finally:
        process.send_signal(signal.SIGINT)
        screen.read_to_end()
        code = process.wait(_END_SECONDS)
        os.close(ours)
    assert code == 0, (code, screen.tail())
