"""Claims wait until a replica has them, where there is one.

A replica that becomes the master without a claim has its messages in their queues still: they would
be sent a second time, though none would be lost.
"""

import logging

from celery_aws.migrate.redis.server import RedisServer

logger = logging.getLogger(__name__)

#: How long a claim waits for a replica. One that is connected answers within milliseconds.
PATIENCE_SECONDS = 1.0


class Replicas:
    """The replicas of one server; of one thread."""

    def __init__(self, server: RedisServer) -> None:
        self._server = server
        self._needed: bool | None = None

    def wait(self) -> None:
        """Wait for a replica to have what was written; if none has it in time, warn once.

        None that is connected, or not allowed to ask: nothing is waited for. One command, on the
        connection that wrote last: the pool hands it out again, as it does to one thread.
        """
        if self._needed is None:
            self._needed = self._are_connected()
        if not self._needed:
            return
        milliseconds = int(PATIENCE_SECONDS * 1000)
        reached = self._server.permitted(lambda: self._server.client.wait(1, milliseconds))
        if reached:
            return
        self._needed = False
        if reached is not None:
            logger.warning(
                "%s: no replica has what was claimed after %s seconds. If the master is lost now, "
                "some messages may be sent a second time; none is lost",
                self._server.source,
                PATIENCE_SECONDS,
            )

    def _are_connected(self) -> bool:
        facts = self._server.permitted(lambda: self._server.client.info("replication"))
        return bool(facts and facts.get("connected_slaves"))
