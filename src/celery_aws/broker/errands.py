"""Errands: what has to be done with a message before it may be deleted.

It is sent somewhere else: what was rejected to the dead-letter queue, what came early to where it
waits for its eta. SQS has no move of one message: it is sent and then deleted, in this order, so
that a crash in between may leave it in both places and never in none.
"""

from collections.abc import Callable
from enum import Enum
from typing import TypeAlias

from celery_aws.broker.message import Receipt


class Disposal(Enum):
    """What became of a message on its errand."""

    #: It is safe elsewhere: to be deleted here, but nothing that it points to.
    MOVED = "moved"
    #: Nobody wants it: to be deleted.
    UNWANTED = "unwanted"
    #: It stays in its queue: SQS hands it out again when its visibility timeout ends.
    LEFT = "left"
    #: It has to be worked on here after all.
    KEPT = "kept"


#: Does it, in the thread that settles messages. A ``TemporaryError`` or ``CredentialsError`` means
#: that it is to be tried again.
Errand: TypeAlias = Callable[[Receipt], Disposal]
