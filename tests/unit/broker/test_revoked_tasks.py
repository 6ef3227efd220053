"""What a receive makes of messages that were parked, on DynamoDB in memory."""

import pytest

from celery_aws.broker.reception import Reception
from celery_aws.broker.revoked_tasks import OUTAGE_SECONDS
from celery_aws.core.messages import OutgoingMessage
from celery_aws.core.parked_messages import mark_parked
from celery_aws.errors import AccessDeniedError, TableNotFoundError, ThrottledError
from celery_aws.testing.clock import FakeClock
from celery_aws.testing.memory_sqs import MemorySqs
from tests.unit.broker.conftest import COORDINATION, PATIENCE_SECONDS, QUEUE, Bench

READ = "BatchGetItem"

#: Longer than a message of a parked task is hidden in an outage.
LONGEST_PAUSE_SECONDS = 301


class Desk:
    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.reception: Reception = bench.new_reception()
        if bench.coordination is not None:
            bench.coordination.table.ensure()
        bench.tables.requests.clear()

    def send_parked(self, *task_ids: str) -> None:
        """Send messages as the mover does; their bodies are the ids."""
        for task_id in task_ids:
            message = mark_parked(OutgoingMessage(body=task_id), task_id)
            self.bench.sqs.send(self.bench.address().url, message)

    def revoke(self, *task_ids: str) -> None:
        assert self.bench.coordination is not None
        assert self.bench.coordination.revocations.add(task_ids)

    def receive(self) -> dict[str, str | None]:
        """Return the bodies of what is delivered, and the ids that they are revoked by."""
        received = self.reception.receive(
            QUEUE, max_messages=10, wait_seconds=0, on_kept=lambda *_: None
        )
        assert self.bench.acker.flush(PATIENCE_SECONDS)
        return {message.body: message.revoked_task_id for message, _ in received.messages}

    def reads(self) -> int:
        return self.bench.tables.requests[READ]


@pytest.fixture
def desk(bench: Bench) -> Desk:
    return Desk(bench)


def test_a_revoked_one_says_so(desk: Desk) -> None:
    desk.revoke("2", "unknown")
    desk.bench.send("0")
    desk.send_parked("1", "2", "3")

    assert desk.receive() == {"0": None, "1": None, "2": "2", "3": None}
    assert desk.reads() == 1


def test_what_was_not_parked_costs_nothing(desk: Desk) -> None:
    desk.revoke("1")
    desk.bench.send("1")

    assert desk.receive() == {"1": None}
    assert desk.reads() == 0


def test_it_is_asked_for_once_however_often_it_comes(desk: Desk) -> None:
    """A batch with one key twice is refused."""
    desk.revoke("1")
    desk.send_parked("1", "1")

    assert desk.receive() == {"1": "1"}
    assert desk.reads() == 1


def test_without_a_table_nothing_is_revoked(desk: Desk) -> None:
    desk.bench.tables.fail_next(READ, TableNotFoundError("there is no such table"))
    desk.send_parked("1")

    assert desk.receive() == {"1": None}


def test_it_means_nothing_to_others_than_workers(desk: Desk) -> None:
    desk.revoke("1")
    desk.bench.worker_present = False
    desk.send_parked("1")

    assert desk.receive() == {"1": None}
    assert desk.reads() == 0


def test_with_the_table_off_everything_is_delivered(clock: FakeClock, sqs: MemorySqs) -> None:
    bench = Bench(clock, sqs, coordination_table=False)
    desk = Desk(bench)
    desk.send_parked("1")

    assert desk.receive() == {"1": None}
    bench.close()


class TestOutage:
    def test_what_was_parked_comes_again_later(self, desk: Desk) -> None:
        desk.revoke("1")
        desk.bench.tables.fail_next(READ, ThrottledError("slow down"))
        desk.send_parked("1")
        desk.bench.send("2")

        assert desk.receive() == {"2": None}

        assert (desk.bench.visible(), desk.bench.leases.held) == ([], 1)
        desk.bench.clock.advance(5)
        assert desk.receive() == {"1": "1"}

    def test_its_pauses_grow(self, desk: Desk) -> None:
        desk.send_parked("1")
        for seconds in (5, 10, 20):
            desk.bench.tables.fail_next(READ, ThrottledError("slow down"))
            assert desk.receive() == {}
            desk.bench.clock.advance(seconds - 1)
            assert desk.bench.visible() == []
            desk.bench.clock.advance(1)

        assert desk.receive() == {"1": None}

    def test_meanwhile_dynamodb_is_left_alone(
        self, desk: Desk, caplog: pytest.LogCaptureFixture
    ) -> None:
        desk.bench.tables.fail_next(READ, ThrottledError("slow down"))
        desk.send_parked("1")
        assert desk.receive() == {}
        desk.send_parked("2")
        assert desk.receive() == {}
        assert desk.reads() == 1
        assert caplog.text.count("given back for a while") == 1

        desk.bench.clock.advance(OUTAGE_SECONDS)

        assert desk.receive() == {"1": None, "2": None}

    def test_a_long_one_does_not_fill_the_log(
        self, desk: Desk, caplog: pytest.LogCaptureFixture
    ) -> None:
        desk.send_parked("1")
        for _ in range(8):
            desk.bench.tables.fail_next(READ, ThrottledError("slow down"))
            assert desk.receive() == {}
            desk.bench.clock.advance(LONGEST_PAUSE_SECONDS)
        assert caplog.text.count("given back for a while") == 4
        assert "failure 8 in a row" in caplog.text

        assert desk.receive() == {"1": None}

        desk.bench.tables.fail_next(READ, ThrottledError("slow down"))
        desk.send_parked("2")
        assert desk.receive() == {}
        assert caplog.text.count("failure 1 in a row") == 2


def test_if_it_is_refused_everything_is_delivered(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.revoke("1")
    for _ in range(2):
        desk.bench.tables.fail_next(READ, AccessDeniedError("not yours", resource=COORDINATION))
    desk.send_parked("1")
    assert desk.receive() == {"1": None}
    desk.send_parked("1")
    assert desk.receive() == {"1": None}

    assert caplog.text.count("run all the same. Grant dynamodb:BatchGetItem") == 1
    desk.send_parked("1")
    assert desk.receive() == {"1": "1"}, "it may have been granted"
