"""Declares in a thread of its own what a worker is told to consume while its event loop runs.

``add_consumer`` declares and binds a queue in the loop (celery/worker/consumer/consumer.py
``add_task_queue``), which must not wait for AWS: creating a queue may take seconds. What can be
known without asking AWS is checked before. What fails here is logged; the queue's receiver goes on
looking for it.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable

from celery_aws.background import BackgroundThread
from celery_aws.errors import AwsError

logger = logging.getLogger(__name__)


class Declarations(BackgroundThread):
    """What is to be declared for one connection, in order; thread-safe.

    The thread starts with the first declaration.
    """

    def __init__(self) -> None:
        super().__init__("celery-aws-declarations")
        self._waiting: deque[tuple[str, Callable[[], object]]] = deque()
        self._changed = threading.Condition()

    def submit(self, what: str, declare: Callable[[], object]) -> None:
        """Declare soon.

        Args:
            what: it is, for the log.
            declare: does it; its costs are those of the declaration.
        """
        with self._changed:
            self._waiting.append((what, declare))
            self._changed.notify_all()
        self.start()

    def run(self) -> None:
        """Declare one after the other, until stopped; what is left then is nobody's."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self.stopping)
                if self.stopping:
                    return
                what, declare = self._waiting.popleft()
            self._declare(what, declare)

    def wake(self) -> None:
        """End the wait."""
        with self._changed:
            self._changed.notify_all()

    def _declare(self, what: str, declare: Callable[[], object]) -> None:
        try:
            declare()
        except AwsError as error:
            logger.warning("%s could not be declared: %s", what, error)
        except Exception:
            # A bug here must not end the thread: others wait for it.
            logger.critical("%s could not be declared, by a bug in celery-aws", what, exc_info=True)
