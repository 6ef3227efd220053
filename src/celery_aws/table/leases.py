"""A lease in the coordination table: one leader of many contenders, by :mod:`core.leadership`.

Key: partition ``lease#NAME``, sort key ``lease``. It has no expiry: there are as many as there
are kinds of leader. A leader that stops in order deletes it, so that the next need not wait.
"""

import logging

from kombu.utils.uuid import uuid

from celery_aws.core.attributes import Item, number, number_of, text, text_of
from celery_aws.core.conditions import Condition, Equals, Missing
from celery_aws.core.leadership import Leadership, LeaseRecord
from celery_aws.core.table_keys import PARTITION, key_item
from celery_aws.errors import ConditionFailedError, TableNotFoundError
from celery_aws.table.coordination import CoordinationTable

logger = logging.getLogger(__name__)

OWNER = "owner"
VERSION = "version"
DURATION = "duration_seconds"


class LeaderLease:
    """One contender for one lease; for one thread, but :attr:`leads` may be read by any.

    Args:
        table: the coordination table.
        name: of the lease.
        owner: who contends, for people; it need not be unique.
        duration_seconds: after how long without a renewal another contender takes over.
        renew_seconds: how often :meth:`contend` renews it.
    """

    def __init__(
        self,
        table: CoordinationTable,
        name: str,
        *,
        owner: str,
        duration_seconds: float,
        renew_seconds: float,
    ) -> None:
        self.name = name
        self._table = table
        self._owner = owner
        self._duration_seconds = duration_seconds
        self._renew_seconds = renew_seconds
        self._key = key_item(f"lease#{name}", "lease")
        self._state = Leadership()
        self._taken_over = False
        #: When it asked for versions that it was not told to be written, and may be.
        self._asked: dict[str, float] = {}
        self._exists = True

    @property
    def pointless(self) -> bool:
        """True if there was no table, and so nothing to lead for, at the last look."""
        return not self._exists

    @property
    def taken_over(self) -> bool:
        """True if the lease is held, and its last owner did not release it."""
        return self._taken_over and self.leads

    @property
    def leads(self) -> bool:
        """True while this contender may act as the leader."""
        return self._state.leads(self._now())

    def contend(self) -> bool:
        """Take the lease if it is free, renew it if it is time to; tell whether it is held.

        Without the table there is nothing to lead for, and no reason to make it.

        Raises:
            AwsError: the table could not be asked; who leads does so until its time is up.

        Costs one GetItem for who does not lead, one PutItem for who takes or renews it, and
        nothing for a leader whose renewal is not due.
        """
        if self._state.held is not None:
            return self.keep()
        try:
            self._look()
            self._exists = True
        except TableNotFoundError:
            self._exists = False
            self._state = Leadership()
        return self.leads

    def keep(self) -> bool:
        """Renew the lease if it is held and it is time to; tell whether it is held.

        Who was paused, and has lost it, does not get it back here: what such a one has in hand is
        as old as its pause.

        Raises:
            AwsError: as :meth:`contend`.

        Costs one PutItem if it is time to, else nothing.
        """
        now, held = self._now(), self._state.held
        if held is not None and self._state.wants_renewal(now, after_seconds=self._renew_seconds):
            try:
                self._write(Equals(VERSION, text(held.version)), now)
            except TableNotFoundError:
                self._exists = False
                self._state = Leadership()
        return self.leads

    @property
    def next_look_seconds(self) -> float:
        """After how long who does not lead should contend again: others may stop or die."""
        left = self._state.seconds_until_over(self._now())
        return min(left, self._renew_seconds) if left else self._renew_seconds

    def release(self) -> None:
        """Let another contender take it at once, if it is held. One DeleteItem."""
        held, self._state = self._state.held, Leadership()
        if held is None:
            return
        try:
            self._table.delete(self._key, condition=Equals(VERSION, text(held.version)))
        except ConditionFailedError:
            logger.debug("lease %s had another owner already", self.name)

    def _look(self) -> None:
        item = self._table.service.get_item(self._table.name, self._key, consistent=True)
        now, found = self._now(), None if item is None else _record_of(item)
        if self._is_own(found):
            return
        self._state = self._state.saw(found, now)
        if self._state.seen is None:
            self._write(Missing(PARTITION), now)
        elif self._state.may_take(now):
            logger.warning(
                "lease %s: %s has not renewed it for %.0f s; %s takes it over",
                self.name,
                self._state.seen.owner,
                self._state.seen.duration_seconds,
                self._owner,
            )
            self._write(Equals(VERSION, text(self._state.seen.version)), now)

    def _write(self, condition: Condition, now: float) -> None:
        record = LeaseRecord(
            owner=self._owner, version=uuid(), duration_seconds=self._duration_seconds
        )
        self._asked[record.version] = now
        try:
            item = {**self._key, **_attributes(record)}
            self._table.service.put_item(self._table.name, item, condition=condition)
        except ConditionFailedError as error:
            found = _record_of(error.item) if error.item else None
            if not self._is_own(found):
                self._state = self._state.saw(found, self._now())
                self._asked.clear()
            return
        if self._state.held is None:
            self._taken_over = self._state.seen is not None
        self._took(record)

    def _is_own(self, found: LeaseRecord | None) -> bool:
        """Take note if what is there was written by this one, although no answer said so."""
        if found is None or found.version not in self._asked:
            return False
        # What became of the last leader is not known any more.
        self._taken_over = self._taken_over or self._state.held is None
        self._took(found)
        return True

    def _took(self, record: LeaseRecord) -> None:
        self._state = self._state.took(record, asked_at=self._asked[record.version])
        self._asked.clear()

    def _now(self) -> float:
        return self._table.clock.monotonic()


def _attributes(record: LeaseRecord) -> Item:
    return {
        OWNER: text(record.owner),
        VERSION: text(record.version),
        DURATION: number(record.duration_seconds),
    }


def _record_of(item: Item) -> LeaseRecord:
    return LeaseRecord(
        owner=text_of(item, OWNER) or "somebody",
        version=text_of(item, VERSION) or "",
        duration_seconds=float(number_of(item, DURATION) or 0),
    )
