"""What the processes that this one has forked ask of AWS: for a worker, whose pool are such.

Nothing is asked of a child and none has to say anything: each has a ledger, made before the fork
(:mod:`celery_aws.aws.usage_ledger`). When it has ended, however it did, its counts are added to
those of all that have, and its memory goes. What a child forks itself is not counted, and
processes that are not made by ``os.fork`` are not either; Celery's pool makes its so, but for
Windows, where it has none.
"""

import logging
import os
import threading

from celery_aws.aws.meter import RequestMeter
from celery_aws.aws.usage_ledger import UsageLedger, set_own_ledger
from celery_aws.core.request_usage import RequestUsage

logger = logging.getLogger(__name__)


class Children:
    """The ledgers of the processes that this one forks from now on; thread-safe."""

    def __init__(self) -> None:
        #: By the thread that forks.
        self._forking: dict[int, UsageLedger] = {}
        self._living: list[UsageLedger] = []
        self._ended = RequestMeter()
        # A signal handler of the thread that holds it may fork.
        self._lock = threading.RLock()

    def before_fork(self) -> None:
        """Make a ledger for the child."""
        self._settle()
        try:
            self._forking[threading.get_ident()] = UsageLedger()
        except OSError as error:
            logger.warning("AWS requests of the next child are not counted: %s", error)

    def after_fork(self) -> UsageLedger | None:
        """Keep the child's ledger, if there is one, and return it."""
        ledger = self._forking.pop(threading.get_ident(), None)
        if ledger is not None:
            self._living.append(ledger)
        return ledger

    def usage(self) -> RequestUsage:
        """Return what all of them together have asked for so far."""
        with self._lock:
            self._settle()
            return sum((ledger.usage() for ledger in self._living), self._ended.usage())

    @property
    def living(self) -> int:
        """How many have not ended."""
        with self._lock:
            self._settle()
            return len(self._living)

    def _settle(self) -> None:
        with self._lock:
            for ledger in [each for each in self._living if each.ended]:
                self._living.remove(ledger)
                self._ended.add(ledger.usage())


_children: Children | None = None
_hooked = False


def follow_children() -> None:
    """Count what is asked by the processes that this one forks from now on; again does nothing."""
    global _children, _hooked  # noqa: PLW0603
    if _children is None:
        _children = Children()
    if not _hooked and hasattr(os, "register_at_fork"):
        _hooked = True
        os.register_at_fork(
            before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork_in_child
        )


def children_usage() -> RequestUsage:
    """Return what the pool processes of this worker have asked of AWS, ended ones included.

    Empty in any process but the main one of a worker. Costs no request.
    """
    return RequestUsage() if _children is None else _children.usage()


def _before_fork() -> None:
    if _children is not None:
        _children.before_fork()


def _after_fork() -> None:
    if _children is not None:
        _children.after_fork()


def _after_fork_in_child() -> None:
    global _children
    parents, _children = _children, None
    # No lock is taken here: a thread that is not in this process may have held it.
    own = None if parents is None else parents.after_fork()
    if own is not None:
        own.claim()
    set_own_ledger(own)
