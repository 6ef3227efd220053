import importlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from celery_aws.core.priorities import Priorities, base_of, steps_up_to
from celery_aws.names import AmqpQueue

QUEUE = AmqpQueue("celery")
STEPS = Priorities(steps=(0, 3, 6, 9))


@pytest.mark.parametrize(
    ("priority", "step"),
    [(None, 0), (0, 0), (2, 0), (3, 3), (5, 3), (6, 6), (8, 6), (9, 9), (255, 9), (-1, 0)],
)
def test_a_message_goes_to_the_step_at_or_below_its_priority(
    priority: int | None, step: int
) -> None:
    assert STEPS.step_of(priority) == step


@given(
    steps=st.sets(st.integers(1, 9)).map(lambda steps: (0, *sorted(steps))),
    priority=st.integers(0, 9),
)
def test_it_is_the_step_of_the_redis_transport(steps: tuple[int, ...], priority: int) -> None:
    pytest.importorskip("redis")
    kombu_redis = importlib.import_module("kombu.transport.redis")
    channel = kombu_redis.Channel.__new__(kombu_redis.Channel)
    channel.priority_steps = list(steps)

    assert Priorities(steps=steps).step_of(priority) == channel.priority(priority)


def test_the_highest_comes_first_in_either_sense() -> None:
    upwards = ["celery", "celery-priority-3", "celery-priority-6", "celery-priority-9"]

    assert STEPS.queues(QUEUE) == upwards
    assert Priorities(steps=STEPS.steps, highest=9).queues(QUEUE) == upwards[::-1]


def test_the_sense_moves_no_message_to_another_queue() -> None:
    """Producers that know nothing of it send to the right one."""
    assert Priorities(steps=STEPS.steps, highest=9).queue_for(QUEUE, 7) == STEPS.queue_for(QUEUE, 7)


def test_a_fifo_queue_keeps_its_suffix() -> None:
    assert STEPS.queue_for(AmqpQueue("orders.fifo"), 4) == "orders-priority-3.fifo"
    assert STEPS.queue_for(AmqpQueue("orders.fifo"), 0) == "orders.fifo"


def test_one_step_is_the_queue_itself() -> None:
    assert Priorities().queues(QUEUE) == [QUEUE]
    assert Priorities().queue_for(QUEUE, 9) == QUEUE


@pytest.mark.parametrize(
    ("steps", "max_priority", "expected"),
    [
        ((), 0, (0,)),
        ((), 1, (0, 1)),
        ((), 2, (0, 2)),
        ((), 5, (0, 3)),
        ((), 9, (0, 3, 6, 9)),
        ((), 255, (0, 3, 6, 9)),
        ((0, 1, 5), 3, (0, 1)),
        ((0, 5), 3, (0,)),
    ],
)
def test_steps_end_at_the_highest_priority_of_the_queue(
    steps: tuple[int, ...], max_priority: int, expected: tuple[int, ...]
) -> None:
    assert steps_up_to(steps, max_priority) == expected


@pytest.mark.parametrize("queue", ["celery", "orders.fifo", "a-priority-3"])
def test_the_queue_of_a_step_tells_whose_it_is(queue: str) -> None:
    for step in STEPS.queues(AmqpQueue(queue))[1:]:
        assert base_of(step) == queue


@pytest.mark.parametrize("queue", ["celery", "-priority-3", "low-priority", "a-priority-0"])
def test_another_queue_is_nobodys_step(queue: str) -> None:
    assert base_of(AmqpQueue(queue)) == queue
