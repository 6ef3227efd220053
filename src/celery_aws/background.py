"""Background threads with an owner: idempotent start and stop, a name, a join with a deadline.

Every thread of the package is one of these. They are daemons, so that a process that ends
without a shutdown path (an unhandled exception in the main thread) still ends; whoever owns
one calls :meth:`BackgroundThread.stop`, which is where work that must not be lost is finished.
"""

import logging
import os
import threading

logger = logging.getLogger(__name__)


class BackgroundThread:
    """Base of the package's threads: subclasses implement :meth:`run` and :meth:`wake`.

    A thread does not survive a fork. :meth:`start` notices that the process is another one
    and starts afresh; :meth:`stop` in a forked child does nothing.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._thread: threading.Thread | None = None
        self._pid: int | None = None
        self._stopping = threading.Event()
        self._finished = threading.Event()
        # Re-entrant: a signal handler of Celery's may stop what the main thread is starting.
        self._lifecycle = threading.RLock()

    @property
    def stopping(self) -> bool:
        """True once :meth:`stop` was called: :meth:`run` should return soon."""
        return self._stopping.is_set()

    @property
    def forked(self) -> bool:
        """True if the thread is one of the parent process."""
        return self._pid not in (None, os.getpid())

    @property
    def alive(self) -> bool:
        """True while the thread runs in this process."""
        thread = self._thread
        if thread is None or self._pid != os.getpid():
            return False
        return thread.is_alive() and not self._finished.is_set()

    def start(self) -> None:
        """Start the thread, unless it already runs."""
        if self.alive:
            return
        with self._lifecycle:
            if self.alive or self.stopping:
                return
            self._pid = os.getpid()
            self._finished.clear()
            self._thread = threading.Thread(target=self._run_logged, name=self.name, daemon=True)
            self._thread.start()

    def stop(self, timeout_seconds: float) -> bool:
        """Ask the thread to end and wait for it.

        Args:
            timeout_seconds: how long to wait; 0 only asks.

        Returns:
            True if the thread has ended (or never ran in this process).
        """
        if self.forked:
            # A thread of the parent's may have held any of these locks when it forked.
            return True
        with self._lifecycle:
            self._stopping.set()
            thread = self._thread
        self.wake()
        if thread is None or not self.alive or thread is threading.current_thread():
            return True
        # Not by join: eventlet's raises when the time is up. And not at all without time: gevent's
        # signal handlers must not wait, not even for nothing.
        return timeout_seconds > 0 and self._finished.wait(timeout_seconds)

    def run(self) -> None:
        """Do the work until :attr:`stopping`; runs in the thread."""
        raise NotImplementedError

    def wake(self) -> None:
        """Interrupt whatever :meth:`run` waits for; called by :meth:`stop` from any thread."""

    def _run_logged(self) -> None:
        try:
            self.run()
        except Exception:
            # A thread that ends in silence is the worst failure that a worker can have.
            logger.critical("thread %s ended by a bug in celery-aws", self.name, exc_info=True)
        finally:
            self._finished.set()
