import pytest

from celery_aws.control.expected_replies import REMEMBERED_SECONDS, ExpectedReplies
from celery_aws.core.control_messages import ControlCommand
from celery_aws.testing.clock import FakeClock


@pytest.fixture
def expected(clock: FakeClock) -> ExpectedReplies:
    return ExpectedReplies(clock)


def ping(oid: str | None) -> ControlCommand:
    return ControlCommand(method="ping", reply_to=oid)


def test_it_is_known_since_when_a_client_waits(expected: ExpectedReplies, clock: FakeClock) -> None:
    assert expected.since("one") is None
    expected.expect(ping("one"))
    clock.advance(5)
    expected.expect(ping("two"))
    expected.expect(ping(None))
    assert (expected.since("one"), expected.since("two"), expected.since("three")) == (0, 5, None)
    expected.expect(ping("one"))
    assert expected.since("one") == 5


def test_after_a_command_that_cannot_be_read_anybody_may_wait(
    expected: ExpectedReplies, clock: FakeClock
) -> None:
    expected.expect(ping("one"))
    clock.advance(5)
    expected.expect(ControlCommand())
    assert (expected.since("one"), expected.since("two")) == (0, 5)


def test_those_of_long_ago_are_forgotten(expected: ExpectedReplies, clock: FakeClock) -> None:
    expected.expect(ping("one"))
    clock.advance(REMEMBERED_SECONDS)
    expected.expect(ping("two"))
    assert expected.since("one") is None
