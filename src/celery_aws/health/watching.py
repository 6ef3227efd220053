"""The thread that writes down, each second, how the worker is in whose main process it runs.

It is one of the operating system, under gevent and eventlet too, and waits for nobody: it goes on
while the event loop hangs, and stops with the process. Nothing that fails here keeps the worker
from its tasks. Cost: one file of a kilobyte a second, in memory where there is ``/dev/shm``.
"""

import atexit
import logging
import os
import time
from dataclasses import replace
from http import HTTPStatus

from celery_aws.broker.worker_view import WorkerView
from celery_aws.config.broker import BrokerOptions
from celery_aws.health.http import Answer, HttpEndpoint, serve, served_pages
from celery_aws.health.judgement import Thresholds, Verdict, judge
from celery_aws.health.observation import Observer
from celery_aws.health.settings import HealthSettings, health_settings
from celery_aws.health.state_files import (
    DIRECTORY_VARIABLE,
    StateFile,
    directories,
    remove_left_behind,
)
from celery_aws.health.worker_state import WorkerState
from celery_aws.native_threads import NativeThread

logger = logging.getLogger(__name__)

#: Seconds between two states.
WRITE_SECONDS = 1.0

#: Seconds for the last state to be written when the process ends.
_END_SECONDS = 1.0


def start(worker: WorkerView, options: BrokerOptions) -> None:
    """Watch a worker until its process ends, unless that was switched off.

    Args:
        worker: a worker of this process.
        options: of its broker.
    """
    try:
        settings = health_settings(options, os.environ)
    except ValueError as error:
        logger.error("the health of this worker is not told: %s", error)  # noqa: TRY400
        return
    if settings.told:
        watcher = Watcher(worker, settings.thresholds)
        serve({"/live": watcher.live_page, "/ready": watcher.ready_page})
        watcher.begin()
    _listen(settings)


class Watcher(NativeThread):
    """Watches one worker.

    Args:
        worker: a worker of this process.
        thresholds: what its pages take for too long.
    """

    def __init__(self, worker: WorkerView, thresholds: Thresholds) -> None:
        super().__init__("celery-aws-health")
        self._thresholds = thresholds
        self._worker = worker
        self._observer = Observer(worker)
        self._state = self._observer.observe(time.monotonic())
        pid = os.getpid()
        self._files = [StateFile(each, worker.node, pid) for each in directories(os.environ)]
        self._failing = False
        self._blind = False

    def begin(self) -> None:
        """Write the first state, and start the thread."""
        remove_left_behind(os.environ)
        self._write()
        atexit.register(self.end)
        self.start()

    def end(self) -> None:
        """End the thread, and leave nothing; in a forked child it does nothing."""
        if self.alive:
            self.stop(_END_SECONDS)

    def run(self) -> None:
        """Write until told to end, or until the worker has ended."""
        while self.pause(WRITE_SECONDS) and not self._worker.has_ended:
            self._state = self._look()
            self._write()
        self._observer.close()
        atexit.unregister(self.end)
        for file in self._files:
            file.remove()

    def _look(self) -> WorkerState:
        now = time.monotonic()
        try:
            return self._observer.observe(now)
        except Exception:
            if not self._blind:
                logger.critical("the health of this worker cannot be seen", exc_info=True)
            self._blind = True
            # A sign of life it is all the same: a bug here must not end a worker that works.
            return replace(self._state, written_at=now)

    def live_page(self) -> Answer:
        """Answer whether the worker lives: 200 or 503."""
        verdict = self._verdict()
        return self._answer(verdict, well=verdict.live)

    def ready_page(self) -> Answer:
        """Answer whether the worker takes tasks: 200 or 503."""
        verdict = self._verdict()
        return self._answer(verdict, well=verdict.ready)

    def _verdict(self) -> Verdict:
        return judge(self._state, time.monotonic(), self._thresholds)

    def _answer(self, verdict: Verdict, *, well: bool) -> Answer:
        status = HTTPStatus.OK if well else HTTPStatus.SERVICE_UNAVAILABLE
        facts = {**verdict.as_json(), "worker": self._state.as_json()}
        return Answer.of_json(facts, status=status)

    def _write(self) -> None:
        """Write to the first place that takes it."""
        failure = None
        for file in self._files:
            failure = file.try_to_write(self._state)
            if failure is None:
                break
        if failure is not None and not self._failing:
            logger.error(
                "the health of this worker cannot be written down, so that probes will take it "
                "for dead: %s. Let %s name a directory that it may write to",
                failure,
                DIRECTORY_VARIABLE,
            )
        self._failing = failure is not None


def _listen(settings: HealthSettings) -> None:
    if settings.port is None:
        return
    endpoint = HttpEndpoint(settings.address, settings.port, served_pages())
    try:
        endpoint.start()
    except OSError as error:
        logger.error(  # noqa: TRY400
            "nothing is answered on %s port %s: %s", settings.address, settings.port, error
        )
