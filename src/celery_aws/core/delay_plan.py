"""For how long a queue can delay a message without losing it.

SQS counts a queue's retention from the moment a message is sent, its delay included, and deletes
in silence what is over. Facts: "Setting-up dead-letter queue retention in Amazon SQS" in the SQS
developer guide (expiration by the original enqueue timestamp); SendMessage (DelaySeconds) and
CreateQueue (MessageRetentionPeriod) in the SQS API reference. FIFO queues take no delay of a
single message, which is not decided here.
"""

from celery_aws.core.queue_facts import QueueFacts
from celery_aws.limits import SQS_DELAY_SECONDS_MAX, SQS_RETENTION_SECONDS_MIN

#: Of a queue's retention a delay takes up one part in so many: the rest is for workers to receive
#: the message.
_RETENTION_PARTS = 2

#: Seconds for which every queue can delay a message, whatever its retention is.
DELAY_SECONDS_OF_ANY_QUEUE = SQS_RETENTION_SECONDS_MIN // _RETENTION_PARTS


def max_delay_seconds(facts: QueueFacts) -> int:
    """Return for how many seconds a message may be delayed in a queue, at most.

    At least half of the time for which the queue keeps the message is left after the delay. A
    queue whose retention is not known is taken to have SQS's default.
    """
    return min(SQS_DELAY_SECONDS_MAX, facts.retention_seconds // _RETENTION_PARTS)
