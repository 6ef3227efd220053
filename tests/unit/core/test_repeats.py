import pytest

from celery_aws.core.control_messages import ControlCommand
from celery_aws.core.repeats import REPEAT_SECONDS, Repeats
from celery_aws.core.routing import Binding
from tests.unit.core.controlling import binding

ENABLE = ControlCommand(method="enable_events", for_all=True)
DISABLE = ControlCommand(method="disable_events", for_all=True)
ONE, OTHER = (binding(queue=f"{n}.celery.pidbox", inbox=n, token=n) for n in ("w1", "w2"))
ON_SQS = binding(queue="w3.celery.pidbox", inbox=None)


def heard(repeats: Repeats, now: float, *bindings: Binding) -> list[Binding]:
    return repeats.heard_anew(ENABLE, bindings, now)


def test_who_was_asked_is_not_asked_again_for_a_minute() -> None:
    repeats = Repeats()

    assert heard(repeats, 0.0, ONE) == [ONE]
    assert heard(repeats, 5.0, ONE) == []
    assert heard(repeats, REPEAT_SECONDS - 0.1, ONE) == []
    assert heard(repeats, REPEAT_SECONDS, ONE) == [ONE]
    assert heard(repeats, REPEAT_SECONDS + 5.0, ONE) == []


def test_who_is_new_is_asked() -> None:
    repeats = Repeats()
    heard(repeats, 0.0, ONE)

    assert heard(repeats, 5.0, ONE, OTHER) == [OTHER]
    assert heard(repeats, REPEAT_SECONDS, ONE, OTHER) == [ONE]
    assert heard(repeats, REPEAT_SECONDS + 5.0, ONE, OTHER) == [OTHER]


def test_a_worker_that_connected_anew_is_asked() -> None:
    # In the same process, and so with the same inbox; it has forgotten who asked.
    anew = binding(queue=ONE.queue, inbox="w1", token="another")
    repeats = Repeats()
    heard(repeats, 0.0, ONE)

    assert heard(repeats, 5.0, anew) == [anew]


def test_each_queue_of_a_process_is_asked() -> None:
    second = binding(queue="w9.celery.pidbox", inbox="w1", token="w9")
    repeats = Repeats()

    assert heard(repeats, 0.0, ONE, second) == [ONE, second]
    assert heard(repeats, 5.0, ONE, second) == []


def test_a_queue_on_sqs_is_asked_every_time() -> None:
    repeats = Repeats()

    assert heard(repeats, 0.0, ON_SQS) == [ON_SQS]
    assert heard(repeats, 1.0, ON_SQS) == [ON_SQS]


def test_who_was_told_to_stop_is_asked_again() -> None:
    repeats = Repeats()
    heard(repeats, 0.0, ONE, OTHER)

    assert repeats.heard_anew(DISABLE, [ONE], 1.0) == [ONE]
    assert heard(repeats, 2.0, ONE, OTHER) == [ONE, OTHER]


@pytest.mark.parametrize(
    "command",
    [
        ControlCommand(method="enable_events", for_all=True, reply_to="oid"),
        ControlCommand(method="enable_events", destination=frozenset(["w1"])),
        ControlCommand(method="enable_events"),  # those of a pattern
        ControlCommand(method="ping", for_all=True),
        ControlCommand(method="pool_grow", for_all=True),
        ControlCommand(),
    ],
    ids=str,
)
def test_other_commands_are_heard_every_time(command: ControlCommand) -> None:
    repeats = Repeats()
    heard(repeats, 0.0, ONE)

    assert [repeats.heard_anew(command, [ONE], now) for now in (1.0, 2.0)] == [[ONE], [ONE]]
    assert heard(repeats, 5.0, ONE) == []
