"""The threads that send batches beside those that publish: few, and none while nothing is sent."""

import threading
from collections import deque
from collections.abc import Callable

from celery_aws.background import BackgroundThread
from celery_aws.process import PerProcess

#: Requests that the batches of a process have under way at once, those aside that the publishing
#: threads send themselves. At 8 ms a request it is 10,000 tasks a second, more than one process can
#: publish.
MOST_SENDERS = 8

#: Seconds without work after which a thread ends.
IDLE_SECONDS = 10.0


class Senders:
    """A pool of threads; thread-safe."""

    def __init__(self, most: int = MOST_SENDERS, idle_seconds: float = IDLE_SECONDS) -> None:
        self._most = most
        self._idle_seconds = idle_seconds
        self._jobs: deque[Callable[[], None]] = deque()
        self._threads = 0
        self._idle = 0
        self._changed = threading.Condition()

    @property
    def threads(self) -> int:
        """How many there are now."""
        return self._threads

    def run(self, job: Callable[[], None]) -> None:
        """Let a thread do a job, soon; the job must not raise."""
        with self._changed:
            self._jobs.append(job)
            if self._idle >= len(self._jobs):
                self._changed.notify()
                return
            if self._threads == self._most:
                return
            self._threads += 1
        try:
            _Sender(self).start()
        except RuntimeError:
            # The process may have no more threads, or ends: whoever publishes sends by itself.
            with self._changed:
                self._threads -= 1

    def next_job(self) -> Callable[[], None] | None:
        """Return what to do next, or None if the thread that asks shall end."""
        with self._changed:
            self._idle += 1
            try:
                while not self._jobs:
                    if not self._changed.wait(self._idle_seconds) and not self._jobs:
                        self._threads -= 1
                        return None
            finally:
                self._idle -= 1
            return self._jobs.popleft()


class _Sender(BackgroundThread):
    def __init__(self, senders: Senders) -> None:
        super().__init__("celery-aws-sender")
        self._senders = senders

    def run(self) -> None:
        while (job := self._senders.next_job()) is not None:
            job()


_senders: PerProcess[str, Senders] = PerProcess()


def process_senders() -> Senders:
    """Return those of this process; a forked child starts without."""
    return _senders.get("senders", Senders)
