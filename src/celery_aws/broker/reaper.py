"""Removes what killed processes leave: inboxes that nobody has renewed, and what is bound to them.

Done by the leader of the movers, of which there is one at a time. It notes by its own clock since
when an inbox has had its version; no clocks are compared. Whoever was only stopped for as long
finds its inbox gone, and makes another one (:mod:`celery_aws.control.inbox_keeper`).
"""

import logging
from collections.abc import Sequence

from celery_aws.clock import Clock
from celery_aws.control.inbox_queue import InboxQueue
from celery_aws.core.inbox_items import InboxRecord
from celery_aws.errors import AwsError
from celery_aws.names import InboxId
from celery_aws.table.bindings import Bindings
from celery_aws.table.inboxes import Inboxes

logger = logging.getLogger(__name__)

#: Seconds for which what was read is acted on: who was stopped meanwhile looks again, for so may
#: have been an owner, which is back.
FRESH_SECONDS = 30.0


class Reaper:
    """Looks at all inboxes from time to time; for the mover's thread.

    Args:
        inboxes: the registry.
        bindings: what is bound to them.
        queue: removes their queues.
        every_seconds: how often to look.
        clock: measures ages.
    """

    def __init__(
        self,
        *,
        inboxes: Inboxes,
        bindings: Bindings,
        queue: InboxQueue,
        every_seconds: float,
        clock: Clock,
    ) -> None:
        self._inboxes = inboxes
        self._bindings = bindings
        self._queue = queue
        self._every_seconds = every_seconds
        self._clock = clock
        self._next_look = float("-inf")
        #: The version of each inbox, and since when it has been that.
        self._seen: dict[InboxId, tuple[str, float]] = {}

    def turn(self) -> float:
        """Look, if it is time to, and remove what has run out.

        Returns:
            The seconds until the next look.

        Raises:
            AwsError: the inboxes cannot be read now.

        Costs one Query each ``every_seconds``; for each inbox removed one DeleteQueue, one
        BatchWriteItem and one DeleteItem. What cannot be removed is tried again with the next look.
        """
        if self._clock.monotonic() >= self._next_look:
            records = self._inboxes.all()
            # After the answer: a version may have been written while this one was asking. The next
            # look is a whole lease after it, or it would come a moment too early to reap anything.
            now = self._clock.monotonic()
            self._next_look = now + self._every_seconds
            self._seen = {each.inbox: self._since(each, now) for each in records}
            self._remove_all(
                [
                    each
                    for each in records
                    if now - self._seen[each.inbox][1] >= each.duration_seconds
                ],
                now,
            )
        return max(0.0, self._next_look - self._clock.monotonic())

    def _remove_all(self, records: Sequence[InboxRecord], read_at: float) -> None:
        for record in records:
            if self._clock.monotonic() - read_at > FRESH_SECONDS:
                logger.info("inboxes: what was read of them is old; looking again")
                self._next_look = float("-inf")
                return
            try:
                self._remove(record)
            except AwsError as error:
                logger.warning("inbox %s cannot be removed now: %s", record.inbox, error)

    def _since(self, record: InboxRecord, now: float) -> tuple[str, float]:
        version, since = self._seen.get(record.inbox, ("", now))
        return (version, since) if version == record.version else (record.version, now)

    def _remove(self, record: InboxRecord) -> None:
        logger.warning(
            "inbox %s: %s has not renewed it for %.0f s; it is removed",
            record.inbox,
            record.owner,
            record.duration_seconds,
        )
        # First what its owner notices: if it was only stopped, and this process ends here, it shall
        # not listen to a queue that nothing is bound to.
        self._queue.delete(record.inbox, record.url)
        self._bindings.remove(record.bindings)
        if self._inboxes.remove(record.inbox, version=record.version):
            self._seen.pop(record.inbox, None)
