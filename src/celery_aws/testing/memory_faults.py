"""Faults that a test asks :class:`~celery_aws.testing.memory_sqs.MemorySqs` for.

Each is good for the next calls of one operation and is then used up. Operations go by AWS's
names, such as ``ReceiveMessage``.
"""

import threading
from collections import defaultdict, deque
from dataclasses import dataclass

from celery_aws.errors import UnreachableError


@dataclass(frozen=True, kw_only=True)
class RefusedEntries:
    """The first ``entries`` of a batch come back as Failed, and nothing happens to them."""

    entries: int
    code: str
    sender_fault: bool


class Faults:
    """The faults still to come; thread-safe."""

    def __init__(self) -> None:
        self._failures: defaultdict[str, deque[Exception]] = defaultdict(deque)
        self._lost_replies: defaultdict[str, deque[Exception]] = defaultdict(deque)
        self._refusals: defaultdict[str, deque[RefusedEntries]] = defaultdict(deque)
        self._twice = 0
        self._lock = threading.Lock()

    def fail(self, operation: str, error: Exception, *, times: int = 1) -> None:
        """Let the next ``times`` calls raise ``error`` and do nothing else."""
        with self._lock:
            self._failures[operation].extend([error] * times)

    def lose_reply(self, operation: str, error: Exception | None = None, *, times: int = 1) -> None:
        """Let the next ``times`` calls take effect, and raise as if the reply never came.

        Args:
            operation: AWS's name of the operation.
            error: what is raised; default: an :class:`~celery_aws.errors.UnreachableError`.
            times: how many calls.
        """
        lost = error if error is not None else _no_answer(operation)
        with self._lock:
            self._lost_replies[operation].extend([lost] * times)

    def refuse_entries(
        self,
        operation: str,
        *,
        entries: int = 1,
        code: str = "InternalError",
        sender_fault: bool = False,
        times: int = 1,
    ) -> None:
        """Let the next ``times`` batches come back with ``entries`` Failed entries."""
        refusal = RefusedEntries(entries=entries, code=code, sender_fault=sender_fault)
        with self._lock:
            self._refusals[operation].extend([refusal] * times)

    def deliver_twice(self, messages: int = 1) -> None:
        """Leave the next ``messages`` received visible, as a standard queue may at any time."""
        with self._lock:
            self._twice += messages

    # What the double asks.

    def before(self, operation: str) -> None:
        """Raise the next failure of the operation."""
        self._raise_next(self._failures, operation)

    def after(self, operation: str) -> None:
        """Raise if the reply is to be lost."""
        self._raise_next(self._lost_replies, operation)

    def refused_entries(self, operation: str) -> RefusedEntries | None:
        """Return what comes back as Failed from this batch."""
        with self._lock:
            refusals = self._refusals[operation]
            return refusals.popleft() if refusals else None

    def take_twice(self, most: int) -> int:
        """Return how many of up to ``most`` messages stay visible."""
        with self._lock:
            count = min(most, self._twice)
            self._twice -= count
            return count

    def _raise_next(self, faults: defaultdict[str, deque[Exception]], operation: str) -> None:
        with self._lock:
            error = faults[operation].popleft() if faults[operation] else None
        if error is not None:
            raise error


def _no_answer(operation: str) -> UnreachableError:
    return UnreachableError(
        "the reply was lost", service="sqs", operation=operation, code="ReadTimeoutError"
    )
