"""Priorities: one SQS queue for each step, because SQS itself has none.

A message goes to the step at or below its priority, as on the Redis transport; step 0 is the queue
itself, so that who knows nothing of priorities still finds it. Facts: kombu/transport/redis.py
(``priority_steps``, ``priority``; 0 is the highest there), kombu/transport/virtual/base.py
(``_get_message_priority``: from 0 to 9, 0 if none is given); RabbitMQ's highest is 9.
"""

import re
from bisect import bisect
from collections.abc import Sequence
from dataclasses import dataclass

from celery_aws.core.queue_names import FIFO_SUFFIX, is_fifo
from celery_aws.names import AmqpQueue

#: Steps of a queue that is declared with a highest priority and without steps.
DEFAULT_STEPS = (0, 3, 6, 9)

LOWEST_NUMBER, HIGHEST_NUMBER = 0, 9

_STEP_QUEUE = re.compile(r"(?P<base>.+)-priority-(?P<step>[1-9])(?P<fifo>\.fifo)?")


@dataclass(frozen=True, kw_only=True)
class Priorities:
    """The steps of a queue; one step is no priorities at all.

    Attributes:
        steps: numbers from 0 to 9, ascending, 0 first.
        highest: the number that comes first: 0, or 9.
    """

    steps: tuple[int, ...] = (LOWEST_NUMBER,)
    highest: int = LOWEST_NUMBER

    def step_of(self, priority: int | None) -> int:
        """Return the step of a message; one without a priority has priority 0."""
        number = min(max(priority or 0, LOWEST_NUMBER), HIGHEST_NUMBER)
        return self.steps[bisect(self.steps, number) - 1]

    def queue_for(self, queue: AmqpQueue, priority: int | None) -> AmqpQueue:
        """Return the queue of a message's step."""
        return _queue_of_step(queue, self.step_of(priority))

    def queues(self, queue: AmqpQueue) -> list[AmqpQueue]:
        """Return the queues of all steps, the one that comes first in front."""
        steps = self.steps if self.highest == LOWEST_NUMBER else self.steps[::-1]
        return [_queue_of_step(queue, step) for step in steps]


def steps_up_to(steps: Sequence[int], max_priority: int) -> tuple[int, ...]:
    """Return the steps of a queue whose priorities end at ``max_priority``.

    Args:
        steps: those wanted; if empty :data:`DEFAULT_STEPS`, or two of a queue with few priorities.
        max_priority: the queue's ``x-max-priority``; RabbitMQ takes up to 255, and above 9 it is 9.
    """
    if not steps and LOWEST_NUMBER < max_priority < DEFAULT_STEPS[1]:
        return (LOWEST_NUMBER, max_priority)
    return tuple(step for step in steps or DEFAULT_STEPS if step <= max_priority)


def base_of(queue: AmqpQueue) -> AmqpQueue:
    """Return the queue whose step ``queue`` is by its name, or ``queue`` itself."""
    match = _STEP_QUEUE.fullmatch(queue)
    return queue if match is None else AmqpQueue(match["base"] + (match["fifo"] or ""))


def step_number(queue: AmqpQueue) -> int:
    """Return which step ``queue`` is by its name; 0 for one that is no other queue's step."""
    match = _STEP_QUEUE.fullmatch(queue)
    return LOWEST_NUMBER if match is None else int(match["step"])


def _queue_of_step(queue: AmqpQueue, step: int) -> AmqpQueue:
    if step == LOWEST_NUMBER:
        return queue
    suffix = FIFO_SUFFIX if is_fifo(queue) else ""
    return AmqpQueue(f"{queue.removesuffix(FIFO_SUFFIX)}-priority-{step}{suffix}")
