"""Starts what runs in a worker beside its transport, when the worker first connects.

Not before: by then the pool has forked its processes, and nothing of it is in them. And not later,
when the worker is ready: one that finds no broker never is, and shall be watched too. Nothing of
Celery is imported here. Facts: celery/apps/worker.py ``on_start`` (``celeryd_after_setup``, before
any step starts; a worker that is embedded sends only ``worker_ready``), celery/worker/components.py
(the consumer, which connects, is the last step), celery/worker/consumer/consumer.py (``conninfo``
is the connection that others are made like).
"""

import sys
import weakref
from typing import Any

from celery_aws.broker.worker_view import WorkerView
from celery_aws.config.broker import BrokerOptions
from celery_aws.process import PerProcess
from celery_aws.worker_parts import start_worker_parts


class _Beginnings:
    """The workers of one process."""

    def __init__(self) -> None:
        self._set_up: list[Any] = []
        self._begun: weakref.WeakSet[Any] = weakref.WeakSet()

    def set_up(self, controller: Any) -> None:
        """Note a worker that will connect."""
        self._set_up.append(controller)

    def connects(self) -> None:
        """Begin with the workers that were set up."""
        waiting, self._set_up = self._set_up, []
        for controller in waiting:
            self.begin(controller)

    def begin(self, controller: Any) -> None:
        """Start what runs in this worker, once, if it consumes through our transport."""
        options = _options_of(controller)
        if isinstance(options, BrokerOptions) and controller not in self._begun:
            self._begun.add(controller)
            start_worker_parts(WorkerView(controller), options)


_beginnings: PerProcess[str, _Beginnings] = PerProcess()


def note_workers() -> None:
    """Hear of workers from now on, in a process that has loaded Celery."""
    signals = sys.modules.get("celery.signals")
    if signals is not None:
        # Connecting twice is connecting once.
        signals.celeryd_after_setup.connect(_on_set_up, dispatch_uid="celery-aws-parts")
        signals.worker_ready.connect(_on_ready, dispatch_uid="celery-aws-parts")


def worker_connects() -> None:
    """Start what runs in the worker of this process, if there is one that has not begun."""
    _here().connects()


def _here() -> _Beginnings:
    return _beginnings.get("beginnings", _Beginnings)


def _options_of(controller: Any) -> Any:
    conninfo = getattr(getattr(controller, "consumer", None), "conninfo", None)
    # Of another transport they are something else, if they are there.
    return getattr(getattr(conninfo, "_transport", None), "options", None)


def _on_set_up(instance: Any = None, **_: Any) -> None:
    _here().set_up(instance)


def _on_ready(sender: Any = None, **_: Any) -> None:
    _here().begin(getattr(sender, "controller", None))
