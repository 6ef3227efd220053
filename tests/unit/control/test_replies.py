import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest

from celery_aws.aws.dynamodb import TableService
from celery_aws.control import replies
from celery_aws.control.replies import BUFFERED_MAX, PATIENCE_SECONDS, ReplyReader, ReplySender
from celery_aws.core.reply_polling import IDLE_SECONDS, PAUSES_SECONDS
from celery_aws.errors import AccessDeniedError
from celery_aws.table.mailboxes import Mailboxes
from tests.unit.control import conftest
from tests.unit.control.conftest import FAULT, Sink, StillClock, World, message
from tests.unit.schedule.test_outbox import incompressible
from tests.watched import Watched

OID = "client"


class Bench:
    def __init__(self, world: World) -> None:
        self.world = world
        self.clock = cast("StillClock", world.clock)
        self.tables = Watched(world.tables)
        table = world.table(cast("TableService", self.tables))
        self.mailboxes = Mailboxes(table=table)
        self.sender = ReplySender(self.mailboxes, clock=world.clock, jitter=lambda: 0.5)
        self.sink = Sink()
        self.asked_at: float | None = None
        self.reader = self.new_reader(self.sink.accept)

    def new_reader(self, deliver: Callable[[Any], None]) -> ReplyReader:
        return ReplyReader(
            OID,
            self.mailboxes,
            deliver=deliver,
            expects=lambda: self.asked_at,
            clock=self.world.clock,
        )

    def written(self) -> list[str]:
        """Return the replies that are there, in any order."""
        bodies: list[str] = []
        reader = self.new_reader(lambda reply: bodies.append(reply["body"]))
        reader.turn()
        self.tables.log.clear()
        return bodies

    def answer(self, *bodies: str) -> None:
        for body in bodies:
            self.world.mailboxes.put(OID, message(body))

    def read(self) -> list[str]:
        return [each["body"] for each in self.sink.messages]


@pytest.fixture
def bench(world: World) -> Iterator[Bench]:
    made = Bench(world)
    yield made
    for thread in (made.sender, made.reader):
        assert thread.stop(conftest.PATIENCE_SECONDS)


class TestSender:
    @pytest.fixture
    def order(self, bench: Bench) -> list[str]:
        """The replies in the order in which they were written."""
        written: list[str] = []
        put = bench.mailboxes.put

        class Noting:
            def put(self, oid: str, reply: Any) -> None:
                put(oid, reply)
                written.append(reply["body"])

        bench.sender._mailboxes = cast("Mailboxes", Noting())
        return written

    def test_replies_are_written_in_order(self, bench: Bench, order: list[str]) -> None:
        for number in range(20):
            bench.sender.put(OID, message(str(number)))
        assert bench.sender.flush(conftest.PATIENCE_SECONDS)
        assert order == list(map(str, range(20)))
        assert sorted(bench.written()) == sorted(order)

    def test_one_that_fails_is_tried_again_before_the_next(
        self, bench: Bench, order: list[str]
    ) -> None:
        for _ in range(3):
            bench.world.tables.fail_next("PutItem", FAULT)
        bench.sender.put(OID, message("1"))
        bench.sender.put(OID, message("2"))
        for number in (1, 2, 3):
            assert bench.clock.has_paused(number)
            bench.clock.advance(1)
        assert bench.sender.flush(conftest.PATIENCE_SECONDS)
        assert order == ["1", "2"]
        assert bench.clock.pauses == pytest.approx([0.1, 0.15, 0.25])

    def test_one_that_nobody_waits_for_any_more_is_given_up(
        self, bench: Bench, order: list[str]
    ) -> None:
        for _ in range(2):
            bench.world.tables.fail_next("PutItem", FAULT)
        bench.sender.put(OID, message("late"))
        assert bench.clock.has_paused(1)
        bench.clock.advance(PATIENCE_SECONDS)
        assert bench.sender.flush(conftest.PATIENCE_SECONDS)
        bench.sender.put(OID, message("good"))
        assert bench.sender.flush(conftest.PATIENCE_SECONDS)
        assert order == ["good"]

    def test_without_rights_it_is_dropped_at_once_and_said_what_to_grant(
        self, bench: Bench, order: list[str], caplog: pytest.LogCaptureFixture
    ) -> None:
        refusal = AccessDeniedError("no", service="dynamodb", operation="PutItem")
        bench.world.tables.fail_next("PutItem", refusal)
        bench.sender.put(OID, message("refused"))
        bench.sender.put(OID, message("good"))
        assert bench.sender.flush(conftest.PATIENCE_SECONDS)
        assert order == ["good"]
        assert "need dynamodb:PutItem" in caplog.text

    def test_a_bug_is_said_with_its_place_and_costs_one_reply(
        self, bench: Bench, order: list[str], caplog: pytest.LogCaptureFixture
    ) -> None:
        bench.sender.put(OID, {"body": object()})
        bench.sender.put(OID, message("good"))
        assert bench.sender.flush(conftest.PATIENCE_SECONDS)
        assert order == ["good"]
        (record,) = caplog.records
        assert (record.levelno, record.exc_info is None) == (logging.CRITICAL, False)

    def test_an_outage_is_said_seldom(self, bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
        bench.sender.start = lambda: None  # type: ignore[method-assign]
        bench.sender.put(OID, message("1"))
        for _ in range(9):
            bench.world.tables.fail_next("PutItem", FAULT)
            bench.sender.turn()
        assert len(caplog.records) == 4

    def test_too_many_are_dropped_and_that_is_said(
        self, bench: Bench, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(replies, "BUFFERED_MAX", 2)
        bench.sender.start = lambda: None  # type: ignore[method-assign]
        for number in range(3):
            bench.sender.put(OID, message(str(number)))
        assert len(bench.sender._buffer) == 2 < BUFFERED_MAX
        assert "is dropped" in caplog.text

    def test_putting_waits_for_nothing_and_stopping_writes_what_is_left(
        self, bench: Bench, order: list[str]
    ) -> None:
        entered, leave = threading.Event(), threading.Event()

        def slow() -> None:
            entered.set()
            assert leave.wait(conftest.PATIENCE_SECONDS)

        bench.tables.meets(before=slow)
        bench.sender.put(OID, message("1"))
        assert entered.wait(conftest.PATIENCE_SECONDS)
        bench.sender.put(OID, message("2"))
        bench.sender.put(OID, message("3"))
        assert not bench.sender.flush(0.01)
        assert not bench.sender.stop(0.01)
        leave.set()
        assert bench.sender.stop(conftest.PATIENCE_SECONDS)
        assert order == ["1", "2", "3"]

    def test_a_reply_that_failed_long_ago_is_nothing_to_the_last_ones(
        self, bench: Bench, order: list[str]
    ) -> None:
        refusal = AccessDeniedError("no", service="dynamodb", operation="PutItem")
        bench.world.tables.fail_next("PutItem", refusal)
        bench.sender.put(OID, message("refused"))
        assert bench.sender.flush(conftest.PATIENCE_SECONDS)
        with bench.sender._changed:
            bench.sender.put(OID, message("last"))
            bench.sender._stopping.set()
        assert bench.sender.stop(conftest.PATIENCE_SECONDS)
        assert order == ["last"]

    def test_stopped_in_an_outage_it_ends_at_once(self, bench: Bench) -> None:
        for _ in range(100):
            bench.world.tables.fail_next("PutItem", FAULT)
        for number in range(10):
            bench.sender.put(OID, message(str(number)))
        assert bench.clock.has_paused(1)
        before = bench.world.tables.requests["PutItem"]
        assert bench.sender.stop(conftest.PATIENCE_SECONDS)
        assert bench.world.tables.requests["PutItem"] == before + 1

    def test_what_never_ran_has_nothing_to_flush(self, bench: Bench) -> None:
        assert bench.sender.flush(0)
        assert bench.sender.stop(0)


class TestReader:
    def test_replies_are_delivered_once(self, bench: Bench) -> None:
        bench.answer("1", "2")
        assert bench.reader.turn() == 2
        bench.answer("3")
        assert bench.reader.turn() == 1
        assert bench.reader.turn() == 0
        assert sorted(bench.read()) == ["1", "2", "3"]

    def test_those_of_others_are_not_read(self, bench: Bench) -> None:
        bench.world.mailboxes.put("another", message("1"))
        assert bench.reader.turn() == 0

    def test_what_was_read_is_removed_in_the_end_and_what_was_not_stays(self, bench: Bench) -> None:
        bench.answer("1", "2")
        bench.reader.turn()
        bench.answer("late")
        bench.tables.log.clear()
        bench.reader.remove_read()
        bench.reader.remove_read()
        assert bench.tables.log == ["write_batch"]
        assert bench.written() == ["late"]

    def test_what_cannot_be_removed_expires(
        self, bench: Bench, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        bench.answer("1")
        bench.reader.turn()
        bench.world.tables.fail_next("BatchWriteItem", FAULT)
        bench.reader.remove_read()
        assert "expire" in caplog.text

    def test_a_reply_in_parts_is_delivered_when_all_are_there(self, bench: Bench) -> None:
        body = incompressible(1_200_000)
        parts: list[int] = []

        def read_meanwhile() -> None:
            bench.reader.turn()
            parts.append(len(bench.read()))

        for _ in range(3):
            bench.tables.meets(before=read_meanwhile)
            bench.tables.meets()
        bench.mailboxes.put(OID, message(body))
        bench.reader.turn()
        assert parts == [0, 0, 0]
        assert bench.read() == [body]
        bench.reader.remove_read()
        assert bench.written() == []

    def test_junk_is_passed_over(self, bench: Bench) -> None:
        bench.answer("good")
        (item,) = bench.world.mailboxes.read(OID)
        junk = {**item, "sk": {"S": "junk#0000"}, "message": {"B": b"junk"}}
        bench.world.tables.put_item(conftest.TABLE, junk)
        bench.reader.turn()
        assert bench.read() == ["good"]

    @pytest.mark.parametrize("bug", [False, True])
    def test_what_cannot_be_read_is_said_seldom_and_comes_later(
        self, bench: Bench, bug: bool, caplog: pytest.LogCaptureFixture
    ) -> None:
        bench.answer("1")
        for _ in range(9):
            if bug:
                bench.tables.meets(before=lambda: 1 / 0)
            else:
                bench.world.tables.fail_next("Query", FAULT)
            assert bench.reader.turn() == 0
        assert len(caplog.records) == 4
        assert {each.levelno for each in caplog.records} == {
            logging.CRITICAL if bug else logging.WARNING
        }
        assert bench.reader.turn() == 1

    def test_it_asks_as_often_as_replies_are_likely(self, bench: Bench) -> None:
        bench.asked_at = bench.clock.monotonic()
        bench.reader.start()
        for number, pause in enumerate([*PAUSES_SECONDS, PAUSES_SECONDS[-1]], start=1):
            assert bench.clock.has_paused(number)
            bench.clock.advance(pause)
        assert bench.clock.has_paused(len(PAUSES_SECONDS) + 2)
        assert bench.clock.pauses == [*PAUSES_SECONDS, *PAUSES_SECONDS[-1:] * 2]
        assert bench.tables.log.count("query") == len(PAUSES_SECONDS) + 1

    def test_it_asks_once_a_second_if_nobody_was_asked(self, bench: Bench) -> None:
        bench.reader.start()
        for number in range(1, 4):
            assert bench.clock.has_paused(number)
            bench.clock.advance(IDLE_SECONDS)
        assert bench.clock.has_paused(4)
        assert bench.clock.pauses == [IDLE_SECONDS] * 4

    def test_the_thread_delivers_and_removes(self, bench: Bench) -> None:
        bench.asked_at = bench.clock.monotonic()
        bench.answer("1")
        bench.reader.start()
        assert bench.clock.has_paused(1)
        bench.clock.advance(1)
        assert bench.sink.has(1)
        assert bench.reader.stop(conftest.PATIENCE_SECONDS)
        assert bench.written() == []

    def test_stopped_in_a_question_it_ends_with_that(self, bench: Bench) -> None:
        entered, leave = threading.Event(), threading.Event()

        def slow() -> None:
            entered.set()
            assert leave.wait(conftest.PATIENCE_SECONDS)

        bench.tables.meets(before=slow)
        bench.reader.start()
        assert bench.clock.has_paused(1)
        bench.clock.advance(1)
        assert entered.wait(conftest.PATIENCE_SECONDS)
        assert not bench.reader.stop(0.01)
        leave.set()
        assert bench.reader.stop(conftest.PATIENCE_SECONDS)
