"""Writes documents of the embedded metric format, a line each, in a thread of its own.

Something else takes the lines to CloudWatch Logs: the log driver ``awslogs`` of a container whose
standard output they are written to, or the CloudWatch agent that follows a file. Costs no request
here.
"""

import json
import logging
import threading
from collections.abc import Callable
from typing import Final

from celery_aws.background import BackgroundThread
from celery_aws.clock import Clock, SystemClock
from celery_aws.metrics.emf import EmfDocuments, EmfFormat
from celery_aws.metrics.samples import Source

logger = logging.getLogger(__name__)

#: What stands for the standard output in place of a path.
STANDARD_OUTPUT: Final = "-"

#: CloudWatch's own resolution.
EMF_SECONDS: Final = 60.0

_CLOCK: Final = SystemClock()

_STANDARD_OUTPUT_DESCRIPTOR: Final = 1


class EmfWriter(BackgroundThread):
    """Writes what a source tells, every so many seconds, and once more at the end.

    Args:
        source: tells it.
        write: takes whole lines.
        form: how documents look.
        every_seconds: how often.
        clock: measures it, and dates the documents.
    """

    def __init__(
        self,
        source: Source,
        write: Callable[[str], None],
        *,
        form: EmfFormat,
        every_seconds: float = EMF_SECONDS,
        clock: Clock = _CLOCK,
    ) -> None:
        super().__init__("celery-aws-metrics-emf")
        self._source = source
        self._write = write
        self._documents = EmfDocuments(form)
        self._every_seconds = every_seconds
        self._clock = clock
        self._changed = threading.Condition()

    def run(self) -> None:
        """Write until stopped; the first documents are of the end of the first interval."""
        while self._pause():
            self._write_once()
        self._write_once()

    def wake(self) -> None:
        """End a pause."""
        with self._changed:
            self._changed.notify_all()

    def _pause(self) -> bool:
        until = self._clock.monotonic() + self._every_seconds
        with self._changed:
            while not self.stopping and (left := until - self._clock.monotonic()) > 0:
                self._clock.wait(self._changed, left)
        return not self.stopping

    def _write_once(self) -> None:
        documents = self._documents.next(self._source.samples(), self._clock.now())
        lines = "".join(json.dumps(each, allow_nan=False) + "\n" for each in documents)
        try:
            self._write(lines)
        except OSError as error:
            logger.warning("metrics could not be written: %s", error)


def line_writer(path: str) -> Callable[[str], None]:
    """Return what writes lines to a file, at its end, or to the standard output.

    The file is opened for each write, so that it may be rotated. What is written to the standard
    output goes past ``sys.stdout``, which Celery's worker replaces by its log: a document must be a
    line by itself.

    Args:
        path: of the file; ``-`` is the standard output.
    """

    def write(lines: str) -> None:
        standard = path == STANDARD_OUTPUT
        target: int | str = _STANDARD_OUTPUT_DESCRIPTOR if standard else path
        mode = "w" if standard else "a"
        with open(target, mode, encoding="utf-8", closefd=not standard) as file:
            file.write(lines)

    return write
