"""What belongs to one process: nothing that is opened before a fork is used after it.

Celery forks its pool from a process that may already hold AWS clients, and forks again
later, while threads of ours run. A socket that two processes share mixes up replies (the
stock DynamoDB backend loses results that way), and a lock that another thread held at the
moment of the fork is never released in the child. So everything of that kind is kept in a
:class:`PerProcess`, which a forked child finds empty.
"""

import os
import threading
import weakref
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_registries: "weakref.WeakSet[PerProcess[Any, Any]]" = weakref.WeakSet()

#: What this process was forked with. It is not freed either: urllib3 closes a pool of connections
#: that is freed, and takes a lock for it that a thread of the parent may have held.
_inherited: list[Any] = []


class PerProcess(Generic[K, V]):
    """A keyed store whose values live as long as the process that made them.

    Thread-safe. ``make`` runs under a lock of its key, so that two threads that ask for one key
    at once get one value, and a value that takes its time keeps nobody waiting for another; it
    must not ask the same store for its own key.
    """

    def __init__(self) -> None:
        self._values: dict[K, V] = {}
        self._making: dict[K, threading.Lock] = {}
        self._lock = threading.Lock()
        _registries.add(self)

    def get(self, key: K, make: Callable[[], V]) -> V:
        """Return the value of ``key``, made by ``make()`` if this process has none."""
        try:
            return self._values[key]
        except KeyError:
            with self._lock:
                making = self._making.setdefault(key, threading.Lock())
            with making:
                if key not in self._values:
                    self._values[key] = make()
                return self._values[key]

    def forget(self) -> None:
        """Drop everything, without closing it: the parent may still be using it."""
        self._values = {}
        self._making = {}
        self._lock = threading.Lock()


def _forget_all_after_fork() -> None:
    for registry in list(_registries):
        _inherited.append(registry._values)  # noqa: SLF001
        registry.forget()


if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(after_in_child=_forget_all_after_fork)
