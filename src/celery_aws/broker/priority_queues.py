"""Which queues have priorities: by the options all of them, by their declaration some.

A process learns of a queue's ``x-max-priority`` when it declares the queue, which Celery does
before it publishes to one of its ``task_queues`` or consumes from it. Who does not know sends to
the queue itself, which is step 0.
"""

from celery_aws.config.broker import BrokerOptions
from celery_aws.core.dead_letters import is_dead_letter_name
from celery_aws.core.priorities import Priorities, base_of, steps_up_to
from celery_aws.names import AmqpQueue, QueueName


class PriorityQueues:
    """The priorities of the queues of one broker; safe to share between threads."""

    def __init__(self, options: BrokerOptions) -> None:
        self._options = options
        self._declared: dict[AmqpQueue, Priorities] = {}
        self._all = Priorities(
            steps=options.priority_steps or (0,), highest=options.highest_priority
        )

    def declare(self, queue: AmqpQueue, max_priority: int) -> None:
        """Remember a queue's ``x-max-priority``."""
        steps = steps_up_to(self._options.priority_steps, max_priority)
        self._declared[queue] = Priorities(steps=steps, highest=self._options.highest_priority)

    def of(self, queue: AmqpQueue) -> Priorities:
        """Return the priorities of a queue; the queue of a step has none, nor have dead letters."""
        if self.base(queue) != queue or is_dead_letter_name(QueueName(queue)):
            return Priorities()
        return self._declared.get(queue, self._all)

    def base(self, queue: AmqpQueue) -> AmqpQueue:
        """Return the queue whose step ``queue`` is, or ``queue`` itself."""
        base = base_of(queue)
        return base if base != queue and queue in self.of(base).queues(base) else queue
