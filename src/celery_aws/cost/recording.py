"""The thread by which a worker writes down what it asked of AWS, for `cost actual`.

Each 15 minutes if there is something to write, an idle worker each four hours, at the end of each
day (UTC), and when the worker ends. So what a killed worker asked since its last record is lost:
15 minutes, or of an idle one some 2,000 requests, a tenth of a cent. Nothing that fails here keeps
the worker from its tasks.

Cost: some 180 PutItem a month of an idle worker, and up to 2,900 of a busy one, $0.002.
"""

import atexit
import logging
import threading
import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from celery_aws.aws.child_usage import children_usage
from celery_aws.aws.meter import request_usage
from celery_aws.background import BackgroundThread
from celery_aws.broker.connection_url import broker_url
from celery_aws.broker.coordination import coordination
from celery_aws.broker.directory import broker_access
from celery_aws.broker.transport import Transport
from celery_aws.broker.worker_view import WorkerView
from celery_aws.clock import Clock, SystemClock
from celery_aws.config.broker import BrokerOptions
from celery_aws.core.request_usage import RequestUsage
from celery_aws.core.usage_records import (
    LEAST_LIFE_SECONDS,
    RECORD_SECONDS,
    UsageRecord,
    is_due,
    seconds_until_tomorrow,
)
from celery_aws.deployment import is_ours
from celery_aws.errors import AwsError
from celery_aws.process import PerProcess
from celery_aws.table.usage import UsageLog

logger = logging.getLogger(__name__)

#: Seconds for the last record when the process ends.
LAST_RECORD_SECONDS: Final = 2.0

#: Seconds until it is noticed that a worker has ended whose process goes on.
LOOK_SECONDS: Final = 5.0

#: Hexadecimal digits of a process's id.
_ID_CHARACTERS: Final = 16

_CLOCK: Final = SystemClock()
_NOTHING: Final = RequestUsage()

#: Nodes whose requests this process has written down.
_recorded: PerProcess[str, list[str]] = PerProcess()


def usage_so_far() -> RequestUsage:
    """Return what this process and those of its pool have asked."""
    return request_usage() + children_usage()


class UsageRecorder(BackgroundThread):
    """Writes down what one worker asks.

    Args:
        log: where.
        node: name of the worker.
        usage: says what was asked since the process began.
        since: what of it is not this worker's, because another one has written it down.
        has_ended: says whether the worker is no more, though its process may go on.
        clock: says when.
    """

    def __init__(
        self,
        log: UsageLog,
        node: str,
        *,
        usage: Callable[[], RequestUsage] = usage_so_far,
        since: RequestUsage = _NOTHING,
        has_ended: Callable[[], bool] = lambda: False,
        clock: Clock = _CLOCK,
    ) -> None:
        super().__init__("celery-aws-usage")
        self._log = log
        self._node = node
        self._usage = usage
        self._has_ended = has_ended
        self._clock = clock
        self._process = uuid.uuid4().hex[:_ID_CHARACTERS]
        self._changed = threading.Condition()
        self._began = clock.monotonic()
        self._written = since
        self._written_at = self._began
        self._failing = False
        self._begin_day(clock.now(), since)

    def run(self) -> None:
        """Write until stopped, and once more then."""
        while self._pause():
            self.turn()
        if self._clock.monotonic() - self._began >= LEAST_LIFE_SECONDS:
            self._write(self._usage())

    def turn(self) -> None:
        """Write if it is worth it, or if the day is over; costs a PutItem then."""
        usage, now = self._usage(), self._clock.now()
        over = now.date() != self._day
        unwritten = usage.since(self._written).requests
        seconds = self._clock.monotonic() - self._written_at
        if (over and unwritten) or is_due(unwritten, seconds):
            self._write(usage)
        # What could not be written at the end of a day is tried again, as that day's.
        if over and not (unwritten and self._failing):
            self._begin_day(now, usage)

    def wake(self) -> None:
        """End a pause."""
        with self._changed:
            self._changed.notify_all()

    def _begin_day(self, now: datetime, usage: RequestUsage) -> None:
        self._day = now.date()
        self._day_began = now
        self._before_day = usage

    def _pause(self) -> bool:
        left = min(RECORD_SECONDS, seconds_until_tomorrow(self._clock.now()) + 1)
        until = self._clock.monotonic() + left
        with self._changed:
            while not self._is_over() and (left := until - self._clock.monotonic()) > 0:
                self._clock.wait(self._changed, min(left, LOOK_SECONDS))
        return not self._is_over()

    def _is_over(self) -> bool:
        # A worker may end and its process go on, which is told by nobody.
        return self.stopping or self._has_ended()

    def _write(self, usage: RequestUsage) -> None:
        record = UsageRecord(
            day=self._day,
            process=self._process,
            node=self._node,
            since=self._day_began,
            until=self._clock.now(),
            usage=usage.since(self._before_day),
        )
        try:
            self._log.put(record)
        except AwsError as error:
            # Once: what is not written now is in the next record of the day.
            if not self._failing:
                logger.warning("what this worker asks of AWS is not written down: %s", error)
            self._failing = True
            return
        self._failing = False
        self._written, self._written_at = usage, self._clock.monotonic()


def start(worker: WorkerView, options: BrokerOptions) -> None:
    """Write down what a worker asks until its process ends, unless that was switched off.

    Args:
        worker: a worker of this process.
        options: of its broker.
    """
    log = _log_of(worker.app, options) if options.record_usage else None
    if log is None:
        return
    recorded = _recorded.get("nodes", list)
    # The meter is the process's: what an earlier worker of it asked is in that one's records.
    since = usage_so_far() if recorded else _NOTHING
    recorded.append(worker.node)
    recorder = UsageRecorder(log, worker.node, since=since, has_ended=lambda: worker.has_ended)
    atexit.register(recorder.stop, LAST_RECORD_SECONDS)
    recorder.start()


def _log_of(app: Any, options: BrokerOptions) -> UsageLog | None:
    # By a connection that is not opened, and without a transport of its own: a second one would
    # take part in the worker's shutdown.
    with app.connection_for_read() as connection:
        if not is_ours(connection):
            return None
        access = broker_access(broker_url(connection), options)
    shared = coordination(options, access, Transport.table_services, Transport.clock)
    return None if shared is None else shared.usage
