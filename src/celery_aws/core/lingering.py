"""When a receiver asks: at once, or a moment later for more messages in one request.

Every credit that is freed could be asked for at once, and a busy queue then brings a message a
request. So a receiver lingers while its queue is busy and what waits in the worker keeps the pool
at work for longer than a receive takes. Nobody waits for that: a message that was asked for
earlier would have stood in line in the worker instead of in SQS, where others can have it.

It must not linger while a slot is idle, or will be before the answer is here.
"""

from dataclasses import dataclass

from celery_aws.core.credits import Credits

#: Seconds of lingering at most, should what waits not be what it seems.
LINGER_SECONDS = 0.25

#: The same while another receiver waits for its turn.
LINGER_BEFORE_OTHERS_SECONDS = 0.05

#: Credits to ask for at once, for each message that waits: the last quarter of what can wait here
#: keeps the pool at work during a receive.
FREE_FOR_EACH_SPARE = 3


@dataclass(frozen=True, kw_only=True)
class WorkInHand:
    """What a worker has to do before it needs more messages."""

    #: Tasks that run or are ready to; none that wait for an eta or a rate limit.
    tasks: int
    #: Messages that are about to be delivered.
    undelivered: int
    #: Tasks that can run at the same time.
    slots: int

    def spare(self, held: int) -> int:
        """Return how many tasks wait although every slot is taken.

        Args:
            held: messages delivered and not settled. What waits is among them, so a worker that
                counts wrong never seems to have more to do than it was given.
        """
        return max(0, self.undelivered + min(held, self.tasks - self.slots))


def linger_seconds(*, others: bool) -> float:
    """Return how long to linger at most.

    Args:
        others: another receiver waits for its turn.
    """
    return LINGER_BEFORE_OTHERS_SECONDS if others else LINGER_SECONDS


def worth_asking(credits_: Credits, work: WorkInHand | None, *, busy: bool, most: int) -> bool:
    """Tell whether to ask now, and not to linger until more credits are free.

    Args:
        credits_: the channel's books.
        work: what is in hand; None if nobody knows.
        busy: the receiver's last poll brought messages. A quiet queue's receiver asks at once: its
            long poll answers when a message comes.
        most: messages that one receive of the queue can bring.
    """
    if credits_.free is None or work is None or not busy:
        return True
    spare = work.spare(credits_.held)
    # Of the pool's slots, half may end their tasks at the same moment.
    enough_to_ask_for = min(most, FREE_FOR_EACH_SPARE * spare)
    return credits_.free >= enough_to_ask_for or spare <= max(1, work.slots // 2)
