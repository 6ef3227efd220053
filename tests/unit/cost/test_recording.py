"""What a worker writes down, and when, by a clock that tests move."""

import logging
from datetime import datetime, timezone
from typing import Any

import pytest
from celery import Celery

from celery_aws.config.broker import parse_broker_options
from celery_aws.core.request_usage import RequestUsage, UsageRow
from celery_aws.cost import recording
from celery_aws.cost.recording import UsageRecorder
from celery_aws.errors import AccessDeniedError
from celery_aws.names import TableName
from celery_aws.process import PerProcess
from celery_aws.table.coordination import SPEC, CoordinationTable
from celery_aws.table.usage import UsageLog
from celery_aws.testing.clock import FakeClock
from celery_aws.testing.memory_dynamodb import MemoryTableService

TABLE = TableName("celery-coordination")
NOON = datetime(2026, 11, 7, 12, tzinfo=timezone.utc)


class Worker:
    """A recorder, and what its worker asks."""

    def __init__(self, *, creates: bool = True, start: datetime = NOON) -> None:
        self.clock = FakeClock(start)
        self.tables = MemoryTableService(clock=self.clock)
        if creates:
            self.tables.create_table(TABLE, SPEC)
            self.clock.advance(60)
        self.asked = 0
        self.ended = False
        table = CoordinationTable(service=self.tables, name=TABLE, creates=True, clock=self.clock)
        self.log = UsageLog(table=table)
        self.recorder = UsageRecorder(
            self.log, "celery@a", usage=self.usage, has_ended=lambda: self.ended, clock=self.clock
        )

    def usage(self) -> RequestUsage:
        if not self.asked:
            return RequestUsage()
        row = UsageRow(
            service="sqs",
            operation="ReceiveMessage",
            resource="celery",
            requests=self.asked,
            units=float(self.asked),
        )
        return RequestUsage(rows=(row,))

    def work(self, seconds: float, requests: int) -> None:
        """Ask for so much in some time, and give the recorder its turn."""
        self.clock.advance(seconds)
        self.asked += requests
        self.recorder.turn()

    def records(self, month: str = "2026-11") -> dict[int, int]:
        """Return the recorded requests by day, and check that each day has one record."""
        found = self.log.month(month)
        days = {record.day.day: record.usage.requests for record in found}
        assert len(days) == len(found)
        return days

    @property
    def writes(self) -> int:
        return self.tables.requests["PutItem"]


def test_a_busy_worker_writes_each_quarter_of_an_hour() -> None:
    worker = Worker()
    for _ in range(4):
        worker.work(900, 5_000)
    assert worker.records() == {7: 20_000}
    assert worker.writes == 4


def test_an_idle_worker_writes_each_four_hours() -> None:
    worker = Worker()
    for _ in range(44):
        worker.work(900, 123)
    # Eleven hours: two writes, and some three that are still to come.
    assert worker.writes == 2
    assert worker.records() == {7: 32 * 123}


def test_each_day_has_its_own_record() -> None:
    worker = Worker()
    for _ in range(96):
        worker.work(900, 5_000)
    found = worker.records()
    assert list(found) == [7, 8]
    assert sum(found.values()) == 96 * 5_000
    # Until the first turn of a day what was asked counts for the day before.
    assert found[7] == pytest.approx(48 * 5_000, abs=5_000)


def test_a_month_ends() -> None:
    worker = Worker(start=datetime(2026, 11, 30, 23, tzinfo=timezone.utc))
    for _ in range(8):
        worker.work(900, 5_000)
    assert sum(worker.records("2026-11").values()) + sum(worker.records("2026-12").values()) == (
        8 * 5_000
    )
    assert worker.records("2026-12")


def test_a_killed_worker_loses_what_came_since() -> None:
    worker = Worker()
    worker.work(900, 5_000)
    worker.work(899, 7_777)
    assert worker.records() == {7: 5_000}


def test_the_end_of_a_worker_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    worker = Worker()
    worker.work(900, 5_000)
    worker.asked += 100
    worker.recorder.stop(0)
    worker.recorder.run()
    assert worker.records() == {7: 5_100}


def test_a_worker_of_seconds_is_not_worth_a_record() -> None:
    worker = Worker()
    worker.asked = 300
    worker.clock.advance(59)
    worker.recorder.stop(0)
    worker.recorder.run()
    assert worker.writes == 0


def test_the_end_of_a_worker_is_noticed_though_its_process_goes_on() -> None:
    worker = Worker()
    worker.work(900, 5_000)
    worker.asked += 100
    worker.ended = True
    worker.recorder.run()
    assert worker.records() == {7: 5_100}


def test_it_waits_for_what_is_due_and_looks_whether_the_worker_has_ended() -> None:
    worker = Worker()
    worker.asked = 5_000
    sleeps = worker.clock.sleeps

    def ends() -> bool:
        return len(sleeps) >= 400

    worker.recorder._has_ended = ends
    worker.recorder.run()
    assert set(sleeps) <= {5.0}
    assert worker.writes == 2
    assert worker.records() == {7: 5_000}


def test_without_a_table_nothing_is_made_and_one_line_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    worker = Worker(creates=False)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            worker.work(900, 5_000)
    assert worker.tables.requests["CreateTable"] == 0
    (line,) = (each for each in caplog.messages if "is not written down" in each)
    assert TABLE in line


def test_what_was_refused_is_in_the_next_record(caplog: pytest.LogCaptureFixture) -> None:
    worker = Worker()
    worker.tables.fail_next("PutItem", AccessDeniedError("not you", operation="PutItem"))
    worker.work(900, 5_000)
    assert worker.records() == {}
    worker.work(900, 5_000)
    assert worker.records() == {7: 10_000}


def test_what_was_refused_at_the_end_of_a_day_is_written_later() -> None:
    worker = Worker(start=datetime(2026, 11, 30, 23, 50, tzinfo=timezone.utc))
    worker.tables.fail_next("PutItem", AccessDeniedError("not you", operation="PutItem"))
    worker.work(601, 5_000)
    worker.work(900, 5_000)
    worker.work(900, 5_000)
    worker.work(900, 5_000)
    assert worker.records("2026-11") == {30: 10_000}
    assert worker.records("2026-12") == {1: 10_000}


def test_a_second_worker_of_a_process_does_not_count_the_first_ones_requests_again() -> None:
    worker = Worker()
    worker.work(900, 5_000)
    worker.ended = True
    worker.recorder.run()
    second = UsageRecorder(
        worker.log, "celery@b", usage=worker.usage, since=worker.usage(), clock=worker.clock
    )
    worker.asked += 4_000
    worker.clock.advance(900)
    second.turn()
    assert sorted(each.usage.requests for each in worker.log.month("2026-11")) == [4_000, 5_000]


def test_each_worker_but_the_first_of_a_process_begins_with_what_was_asked_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = RequestUsage(
        rows=(UsageRow(service="sqs", operation="SendMessage", requests=3, units=3.0),)
    )
    began: list[RequestUsage] = []
    monkeypatch.setattr(UsageRecorder, "start", lambda self: began.append(self._before_day))
    monkeypatch.setattr("atexit.register", lambda *_: None)
    monkeypatch.setattr(recording, "usage_so_far", lambda: asked)
    monkeypatch.setattr(recording, "_recorded", PerProcess())
    app = Celery("shop", set_as_current=False, broker="aws+sqs://KEY:secret@localhost:1")
    app.conf.broker_transport_options = {"region": "eu-west-1"}
    worker: Any = OnItsBroker(app)
    for _ in range(2):
        recording.start(worker, parse_broker_options(app.conf.broker_transport_options))
    assert began == [RequestUsage(), asked]
    app.close()


def test_a_record_of_a_later_version_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    worker = Worker()
    worker.work(900, 5_000)
    (item,) = worker.tables.items(TABLE)
    worker.tables.put_item(TABLE, {**item, "sk": {"S": "07#other"}, "usage": {"N": "3"}})
    assert worker.records() == {7: 5_000}
    assert "cannot be read" in caplog.text


def test_a_thread_that_waits_is_ended_at_once() -> None:
    worker = Worker()
    recorder = UsageRecorder(worker.log, "celery@a", usage=worker.usage)
    recorder.start()
    assert recorder.stop(10)
    assert worker.writes == 0


class OnItsBroker:
    """What is seen of a worker."""

    node = "celery@a"
    has_ended = False

    def __init__(self, app: Any) -> None:
        self.app = app


@pytest.mark.parametrize(
    ("options", "starts"),
    [({}, True), ({"record_usage": False}, False), ({"coordination_table": False}, False)],
)
def test_it_starts_where_it_is_wanted(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], starts: bool
) -> None:
    started: list[str] = []
    monkeypatch.setattr(UsageRecorder, "start", lambda self: started.append(self.name))
    monkeypatch.setattr("atexit.register", lambda *_: None)
    app = Celery("shop", set_as_current=False, broker="aws+sqs://KEY:secret@localhost:1")
    app.conf.broker_transport_options = {"region": "eu-west-1", **options}
    worker: Any = OnItsBroker(app)
    recording.start(worker, parse_broker_options(app.conf.broker_transport_options))
    assert started == ["celery-aws-usage"] * starts
    app.close()


def test_a_worker_on_another_broker_records_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(UsageRecorder, "start", lambda _: pytest.fail("it started"))
    app = Celery("shop", set_as_current=False, broker="memory://")
    worker: Any = OnItsBroker(app)
    recording.start(worker, parse_broker_options({}))
    app.close()
