"""What a thread hands to botocore is for its own next call, and for nothing else."""

import threading
from typing import Any

import gevent
import pytest
from botocore.exceptions import ConnectionClosedError

from celery_aws.aws.wire.handover import first_attempt, on_before_send
from celery_aws.aws.wire.line import answer_of

SEND = "before-send.sqs.SendMessage"
ANSWER = answer_of("http://sqs.invalid/", 400, {}, b"{}")
REQUEST: Any = object()


def test_nobody_waits() -> None:
    assert on_before_send(SEND, REQUEST) is None


def test_a_request_is_seen_and_goes_on_its_way() -> None:
    with first_attempt(SEND) as attempt:
        assert on_before_send(SEND, REQUEST) is None
        assert on_before_send(SEND, object()) is None
    assert attempt.request is REQUEST
    assert attempt.requests == 2


def test_the_first_attempt_has_its_answer_and_the_next_is_sent() -> None:
    with first_attempt(SEND, ANSWER):
        assert on_before_send("before-send.sts.AssumeRole", REQUEST) is None
        assert on_before_send(SEND, REQUEST) is ANSWER
        assert on_before_send(SEND, REQUEST) is None
    assert on_before_send(SEND, REQUEST) is None


def test_the_first_attempt_fails_as_it_did() -> None:
    error = ConnectionClosedError(endpoint_url="http://sqs.invalid/")
    with first_attempt(SEND, error):
        with pytest.raises(ConnectionClosedError) as caught:
            on_before_send(SEND, REQUEST)
        assert on_before_send(SEND, REQUEST) is None
    assert caught.value is error


def test_an_answer_that_nobody_took_is_gone() -> None:
    with first_attempt(SEND, ANSWER):
        pass
    assert on_before_send(SEND, REQUEST) is None


def test_threads_do_not_take_each_others_answers() -> None:
    seen: list[object] = []
    with first_attempt(SEND, ANSWER):
        thread = threading.Thread(target=lambda: seen.append(on_before_send(SEND, REQUEST)))
        thread.start()
        thread.join()
        assert seen == [None]
        assert on_before_send(SEND, REQUEST) is ANSWER


def test_greenlets_do_not_take_each_others_answers() -> None:
    seen: list[object] = []
    with first_attempt(SEND, ANSWER):
        # gevent has patched nothing here, so a local of the thread would be shared.
        gevent.spawn(lambda: seen.append(on_before_send(SEND, REQUEST))).join()
        assert seen == [None]
        assert on_before_send(SEND, REQUEST) is ANSWER
