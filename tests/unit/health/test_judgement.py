from typing import Any

import pytest

from celery_aws.health.judgement import Thresholds, Verdict, judge
from celery_aws.health.worker_state import PoolState, QueueState, WorkerState
from tests.unit.health.states import WRITTEN_AT, queue, state, task

THRESHOLDS = Thresholds()

DEAD = (False, False)
LIVE = (True, False)
READY = (True, True)

LONG = 3_600.0


def solo(**changes: Any) -> PoolState:
    return PoolState(kind="solo", **changes)


def gevent(*, full: bool, greenlets: float) -> PoolState:
    return PoolState(kind="gevent", full=full, greenlets_age_seconds=greenlets)


def prefork(**changes: Any) -> PoolState:
    return PoolState(kind="prefork", wanted=2, pids=(1, 2), **changes)


def failing(seconds: float = LONG, **changes: Any) -> QueueState:
    facts: dict[str, Any] = {
        "failing_seconds": seconds,
        "error": "UnreachableError",
        "temporary": True,
    }
    return queue(**{**facts, **changes})


def verdict(of: WorkerState, after_seconds: float = 1.0) -> Verdict:
    return judge(of, WRITTEN_AT + after_seconds, THRESHOLDS)


CASES = {
    "idle": (state(), READY, None),
    "busy": (state(task=task(LONG), queues=(queue(doing="waiting", unanswered_seconds=LONG),)),
             READY, None),
    "busy since its first poll": (state(queues=(queue(doing="waiting", answered=False),)),
                                  READY, None),
    "busy solo": (state(pool=solo(), loop_age_seconds=LONG, task=task(LONG)), READY, None),
    "busy solo within its limit": (
        state(pool=solo(), loop_age_seconds=LONG, task=task(650, 600)), READY, None),
    "busy solo beyond its limit": (
        state(pool=solo(), loop_age_seconds=LONG, task=task(661, 600)), DEAD,
        "a task has run for 661 s, its limit is 600 s"),
    "solo hung without a task": (state(pool=solo(), loop_age_seconds=61), DEAD,
                                 "the event loop has not turned for 61 s"),
    "hung hub": (state(loop_age_seconds=61), DEAD, "the event loop has not turned for 61 s"),
    "slow hub": (state(loop_age_seconds=59), READY, None),
    "full gevent pool": (
        state(pool=gevent(full=True, greenlets=1), loop_age_seconds=LONG), READY, None),
    "hung full gevent pool": (
        state(pool=gevent(full=True, greenlets=61), loop_age_seconds=61), DEAD,
        "the event loop has not turned for 61 s"),
    "hung gevent loop": (
        state(pool=gevent(full=False, greenlets=1), loop_age_seconds=61), DEAD,
        "the event loop has not turned for 61 s"),
    "hung greenlets": (
        state(pool=gevent(full=False, greenlets=61), loop_age_seconds=1), DEAD,
        "the event loop has not turned for 61 s"),
    "all processes stopped": (state(pool=prefork(stopped=(1, 2), down_seconds=61)), DEAD,
                              "no process of the pool has run for 61 s"),
    "all processes stopped just now": (state(pool=prefork(stopped=(1, 2), down_seconds=5)),
                                       READY, None),
    "all processes gone in a shutdown": (
        state(phase="stopping", pool=prefork(gone=(1, 2), down_seconds=LONG)), LIVE,
        "it is shutting down"),
    "starting": (state(phase="starting", loop_age_seconds=None, queues=()), LIVE,
                 "it is starting: it has not connected to the broker yet"),
    "reconnecting": (state(phase="reconnecting", loop_age_seconds=LONG), LIVE,
                     "it has lost its connection to the broker, and makes it again"),
    "stopping": (state(phase="stopping", loop_age_seconds=LONG), LIVE, "it is shutting down"),
    "paused": (state(queues=()), LIVE, "it consumes no queue"),
    "AWS away": (state(queues=(failing(),)), LIVE,
                 "queue celery: receiving has failed for 3600 s (UnreachableError)"),
    "AWS away for a moment": (state(queues=(failing(9),)), READY, None),
    "AWS away from the first poll on": (
        state(queues=(failing(1, answered=False),)), LIVE,
        "queue celery: receiving has failed for 1 s (UnreachableError)"),
    "credentials expired": (
        state(queues=(failing(error="ExpiredCredentialsError"),)), LIVE,
        "queue celery: receiving has failed for 3600 s (ExpiredCredentialsError)"),
    "credentials expired while it was busy": (
        state(queues=(failing(doing="waiting"),)), LIVE,
        "queue celery: receiving has failed for 3600 s (UnreachableError)"),
    "one queue of two missing": (
        state(queues=(queue("a"), failing(error="QueueNotFoundError", temporary=False),)), LIVE,
        "queue celery: receiving has failed for 3600 s (QueueNotFoundError)"),
    "unanswered": (state(queues=(queue(unanswered_seconds=53),)), LIVE,
                   "queue celery: SQS has not answered for 53 s"),
    "nearly unanswered": (state(queues=(queue(unanswered_seconds=52),)), READY, None),
    "receiver failed": (state(queues=(queue(doing="ended"),)), LIVE,
                        "queue celery: its receiver has failed"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_truth_table(case: str) -> None:
    found, expected, reason = CASES[case]
    judged = verdict(found)
    assert (judged.live, judged.ready) == expected
    assert judged.reasons == (() if reason is None else (reason,))
    assert judged.warnings == () or "stopped" in case


def test_who_says_nothing_any_more_is_dead_whatever_was_said() -> None:
    for case, _, _ in CASES.values():
        judged = verdict(case, after_seconds=60.5)
        assert (judged.live, judged.ready) == DEAD
        assert "no sign of life for 60 s: the process is stopped or stuck" in judged.reasons


def test_a_state_of_before_a_restart_of_the_machine_is_none() -> None:
    judged = verdict(state(), after_seconds=-1)
    assert (judged.live, judged.ready) == DEAD
    assert "before the machine was started" in judged.reasons[0]


def test_a_hung_loop_is_not_held_against_a_worker_while_aws_is_away() -> None:
    judged = verdict(
        state(
            loop_age_seconds=LONG,
            queues=(
                failing(5),
                failing(5),
            ),
        )
    )
    assert judged.live
    assert judged.warnings == (
        "the event loop has not turned for 3600 s, but AWS does not answer either",
    )
    # One that a queue does not notice: of results alone.
    judged = verdict(state(loop_age_seconds=LONG, loop_waits_for_aws=True))
    assert judged.live
    assert judged.warnings == ("the event loop has not turned for 3600 s, but it waits for AWS",)
    # A missing permission is no outage.
    assert not verdict(state(loop_age_seconds=LONG, queues=(failing(temporary=False),))).live
    assert not verdict(state(loop_age_seconds=LONG, queues=())).live


def test_a_stopped_process_of_the_pool_is_a_warning() -> None:
    judged = verdict(state(pool=prefork(stopped=(2,))))
    assert (judged.live, judged.ready) == READY
    assert judged.warnings == ("1 of 2 pool processes stopped: 2",)


def test_thresholds_come_from_the_environment() -> None:
    given = {"CELERY_AWS_HEALTH_LOOP_SECONDS": "2.5", "CELERY_AWS_HEALTH_SLACK_SECONDS": ""}
    thresholds = Thresholds.from_environment(given)
    assert thresholds == Thresholds(loop_seconds=2.5)
    assert not judge(state(loop_age_seconds=3), WRITTEN_AT, thresholds).live


@pytest.mark.parametrize("text", ["soon", "0", "-1", "inf", "nan"])
def test_what_is_no_number_of_seconds_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="CELERY_AWS_HEALTH_POOL_SECONDS"):
        Thresholds.from_environment({"CELERY_AWS_HEALTH_POOL_SECONDS": text})


def test_a_verdict_is_json() -> None:
    assert verdict(state(queues=())).as_json() == {
        "live": True,
        "ready": False,
        "reasons": ("it consumes no queue",),
        "warnings": (),
    }
