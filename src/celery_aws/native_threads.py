"""Threads of the operating system, where gevent or eventlet has replaced Python's own too.

Who watches an event loop, or answers while it hangs, must not run in it. Nothing here may wait for
a lock of ``threading``: under gevent and eventlet that is one of greenlets, and its holder may be
what hangs. Facts: ``gevent.monkey.get_original``; ``eventlet.patcher.original``, by which eventlet
makes the threads of its own ``tpool``.
"""

import logging
import os
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

logger = logging.getLogger(__name__)


def unpatched(module: str, name: str) -> Any:
    """Return what ``name`` of a module of Python's was before somebody patched it."""
    eventlet: Any = sys.modules.get("eventlet.patcher")
    if eventlet is not None and eventlet.already_patched:
        return getattr(eventlet.original(module), name)
    gevent: Any = sys.modules.get("gevent.monkey")
    if gevent is not None:
        return gevent.get_original(module, name)
    return getattr(import_module(module), name)


def start_native_thread(name: str, run: Callable[[], None]) -> None:
    """Call ``run`` in a thread of the operating system; it does not keep the process from ending.

    Args:
        name: for the log, should ``run`` fail.
        run: the thread's work.
    """

    def run_logged() -> None:
        try:
            run()
        except Exception:
            logger.critical("thread %s ended by a bug in celery-aws", name, exc_info=True)

    unpatched("_thread", "start_new_thread")(run_logged, ())


class NativeThread:
    """A thread of the operating system with an owner; subclasses implement :meth:`run`.

    It does not survive a fork; a forked child may start it anew.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._pid: int | None = None
        self._stopping: Any = None
        self._finished: Any = None

    @property
    def alive(self) -> bool:
        """True while the thread runs in this process."""
        return self._pid == os.getpid() and bool(self._finished.locked())

    def start(self) -> None:
        """Start the thread, unless it already runs."""
        if self.alive:
            return
        allocate_lock = unpatched("_thread", "allocate_lock")
        # Both are held until what they are named after happens.
        self._stopping, self._finished = allocate_lock(), allocate_lock()
        self._stopping.acquire()
        self._finished.acquire()
        self._pid = os.getpid()
        start_native_thread(self.name, self._run)

    def stop(self, timeout_seconds: float) -> bool:
        """Ask the thread to end, and wait for it.

        Args:
            timeout_seconds: how long to wait; 0 only asks. Nothing else runs meanwhile in a process
                with gevent or eventlet.

        Returns:
            True if the thread has ended, or never ran in this process.
        """
        if not self.alive:
            return True
        if self._stopping.locked():
            self._stopping.release()
        if not self._finished.acquire(True, timeout_seconds):
            return False
        self._finished.release()
        return True

    def run(self) -> None:
        """Do the work until :meth:`pause` says that it is over; runs in the thread."""
        raise NotImplementedError

    def pause(self, seconds: float) -> bool:
        """Wait, in the thread; False once it shall end."""
        if self._stopping.acquire(True, seconds):
            self._stopping.release()
            return False
        return True

    def _run(self) -> None:
        finished = self._finished
        try:
            self.run()
        finally:
            finished.release()
