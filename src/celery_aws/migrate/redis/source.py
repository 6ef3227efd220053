"""Redis as the broker that is left: what waits is claimed, and forgotten once it was sent.

The algorithm, and what it was measured against (`celery migrate` loses a message in one of four
kills): entries move from their queue into a list of this run in one transaction, are sent, noted in
the journal, and removed from that list. Who is killed anywhere leaves each entry in one of the two;
the next run takes over the lists of those that ended.
"""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from celery_aws.errors import BrokerLostError
from celery_aws.migrate.redis.claims import ClaimedList, Claims
from celery_aws.migrate.redis.entries import Entry
from celery_aws.migrate.redis.held import HeldMessages
from celery_aws.migrate.redis.owners import Owner, this_process
from celery_aws.migrate.redis.replicas import Replicas
from celery_aws.migrate.redis.runs import drop_run, lists_of, orphans
from celery_aws.migrate.redis.server import RedisServer
from celery_aws.migrate.redis.waiting_lists import WaitingLists
from celery_aws.migrate.redis.workers import refuse_if_alive
from celery_aws.migrate.sides import Claim
from celery_aws.names import AmqpQueue

logger = logging.getLogger(__name__)

#: Times that lists are asked for again which other threads emptied meanwhile.
_ATTEMPTS = 10


class RedisSource:
    """A source of messages; of one thread. Nothing is asked for before the first call.

    Every call raises :class:`~celery_aws.errors.BrokerLostError` if Redis does not answer (calling
    again is right: what was claimed without our hearing of it comes then), and
    :class:`~celery_aws.errors.ConfigurationError` if it refuses.
    """

    def __init__(
        self,
        app: Any,
        *,
        queues: Mapping[AmqpQueue, AmqpQueue],
        run: str,
        take_held: bool = False,
        even_if_alive: bool = False,
        owner: Owner | None = None,
    ) -> None:
        """Name what to take.

        Args:
            app: the old app.
            queues: the old names of queues, and the names that they have in the target. Others are
                not touched.
            run: name of this run and thread, unique.
            take_held: take what workers hold, too, which is refused while any worker is alive.
            even_if_alive: it is not refused: whoever says so knows that no worker of this app is.
            owner: the process of this run; None is the one that asks.
        """
        self._app = app
        self._queues = dict(queues)
        self._run = run
        self._take_held = take_held
        self._even_if_alive = even_if_alive
        self._owner = owner or this_process()
        self._server = RedisServer(app)
        self._claims = Claims(self._server, run=run, owner=self._owner)
        self._held = HeldMessages(self._server)
        self._replicas = Replicas(self._server)
        self._lists: WaitingLists | None = None
        self._orphans: list[ClaimedList] = []
        # Claimed and handed out; and claimed ones that the target may have.
        self._handed_out: Counter[Entry] = Counter()
        self._going: Counter[Entry] = Counter()
        # Something may be claimed that we have not heard of.
        self._uncertain = False

    def recover(self, most: int) -> Sequence[Claim]:
        """Return up to ``most`` messages that a run had claimed which has ended.

        What it had claimed of queues that are not ours stays claimed. One transaction a call, and
        two commands for the first.

        Raises:
            RunIsAliveError: that run has not ended.
        """
        with self._asking():
            self._open()
            entries = self._unheard_of(most) if self._uncertain else []
            if entries:
                return self._handed(entries, seen_before=True)
            while self._orphans:
                entries = self._claims.adopt(self._orphans[0], most)
                if entries:
                    return self._handed(entries, seen_before=True)
                drop_run(self._server, self._orphans.pop(0))
            return []

    def claim(self, most: int) -> Sequence[Claim]:
        """Take up to ``most`` messages, in the order in which workers would get them.

        First what workers hold, if that was asked for. A round trip, and a transaction.

        Raises:
            RunIsAliveError: another run is at work.
            WorkersAliveError: what workers hold was asked for, and they are alive.
        """
        with self._asking():
            lists = self._open()
            entries = self._unheard_of(most) if self._uncertain else []
            if self._take_held and not entries:
                entries = self._held.take(self._queues, self._claims, most)
            if entries:
                return self._handed(entries, seen_before=True)
            for _ in range(_ATTEMPTS):
                counts = lists.next(most)
                entries = self._claims.take(counts) if counts else []
                if entries:
                    return self._handed(entries, seen_before=False)
                if not counts:
                    break
            return self._handed(self._unheard_of(most), seen_before=True)

    def sending(self, claims: Sequence[Claim]) -> None:
        """Let these stay claimed, unless they are given back. No request."""
        self._going |= Counter(claim.handle for claim in claims)

    def leave(self, claims: Sequence[Claim]) -> bool:
        """Hand these out again, or let the next run find them claimed. No request."""
        self.sending(claims)
        self._handed_out -= Counter(claim.handle for claim in claims)
        self._uncertain = True
        return True

    def commit(self, claims: Sequence[Claim]) -> None:
        """Forget these. One transaction; again is no error."""
        entries = [claim.handle for claim in claims]
        self.sending(claims)
        with self._asking():
            self._open()
            self._claims.forget(entries)
        self._drop(entries)

    def give_back(self, claims: Sequence[Claim]) -> None:
        """Put these back to where the next message is taken from, in their order."""
        entries = [claim.handle for claim in claims]
        with self._asking():
            self._open()
            self._claims.give_back(entries)
        self._drop(entries)

    def close(self) -> None:
        """Give back what is claimed and disconnect.

        What the target may have stays claimed: the next run asks the journal. If Redis does not
        answer, all of it stays.
        """
        try:
            if self._lists is not None:
                with self._asking():
                    mine = Counter(self._claims.there()) - self._going
                    self._claims.give_back(list(mine.elements()))
                    self._claims.release()
        except BrokerLostError:
            logger.warning("what run %s has claimed comes first the next time", self._run)
        finally:
            self._lists = None
            self._server.close()

    def _open(self) -> WaitingLists:
        self._server.open()
        if self._lists is None:
            self._orphans = self._left_behind()
            if self._take_held and not self._even_if_alive:
                refuse_if_alive(self._app, self._server)
            self._lists = WaitingLists(self._server, list(self._queues))
        return self._lists

    def _left_behind(self) -> list[ClaimedList]:
        # This thread may have lost an earlier connection.
        self._uncertain |= self._claims.resume(lists_of(self._server, self._run))
        found = orphans(self._server, self._run, self._owner)
        for each in found:
            if each.waiting.queue not in self._queues:
                logger.warning(
                    "run %s has claimed messages of queue %s, which is not moved this time",
                    each.run,
                    each.waiting.queue,
                )
        return [each for each in found if each.waiting.queue in self._queues]

    def _unheard_of(self, most: int) -> list[Entry]:
        """Return what is claimed and was not handed out: the answer to a claim was lost."""
        found = list((Counter(self._claims.there()) - self._handed_out).elements())
        self._uncertain = len(found) > most
        return self._claims.labelled(found[:most]) if found else []

    def _handed(self, entries: Sequence[Entry], *, seen_before: bool) -> list[Claim]:
        if entries:
            self._replicas.wait()
        self._handed_out.update(entries)
        return [
            Claim(
                message=entry.message(self._queues[entry.waiting.queue]),
                handle=entry,
                seen_before=seen_before,
            )
            for entry in entries
        ]

    def _drop(self, entries: Sequence[Entry]) -> None:
        self._handed_out -= Counter(entries)
        self._going -= Counter(entries)

    @contextmanager
    def _asking(self) -> Iterator[None]:
        try:
            with self._server.answering():
                yield
        except BaseException:
            self._uncertain = True
            raise
