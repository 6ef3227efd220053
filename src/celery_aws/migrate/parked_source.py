"""Parked tasks as messages that are left: claimed in the table, so that no mover sends them.

A claim is a copy of the entry beside the schedule, and then the conditional delete of the entry:
who deletes it has the task, a mover or we. Killed in between, the entry is still there and the copy
goes; killed after it, the copy is all there is, and the next run sends it. What a mover may be
sending at this moment is left to it: it comes to its queue, and is taken from there.

Keys: partition ``migration#claimed``, sort key ``RUN#PARTITION#SORT`` of the entry.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from celery_aws.broker import Transport
from celery_aws.broker.coordination import Coordination
from celery_aws.core.attributes import Item, text, text_of
from celery_aws.core.migration_marks import migration_mark
from celery_aws.core.parked_tasks import may_be_moving
from celery_aws.core.queue_names import is_fifo
from celery_aws.core.schedule import FIFO, LANES, STANDARD, ScheduledTask
from celery_aws.core.scheduled_items import CLAIMED, entry_items, part_keys, scheduled_task
from celery_aws.core.table_keys import PARTITION, SORT, key_item
from celery_aws.errors import ConfigurationError, ObjectNotFoundError
from celery_aws.migrate.messages import Message, Unreadable
from celery_aws.migrate.second_copies import SecondCopies
from celery_aws.migrate.sides import Claim
from celery_aws.migrate.sqs_messages import carried
from celery_aws.names import AmqpQueue

logger = logging.getLogger(__name__)

#: The key that an entry had in the schedule.
ORIGIN_PARTITION = "origin_pk"
ORIGIN_SORT = "origin_sk"


@dataclass(frozen=True, kw_only=True)
class ParkedClaim:
    """A parked task that is ours.

    Attributes:
        copy: the entry as it is claimed.
        task: what it says.
    """

    copy: Item
    task: ScheduledTask


class ParkedSource:
    """The parked tasks of some queues; for one thread.

    Args:
        transport: of the app's broker.
        queues: its names of queues to the names that they have on the other side.
        run: name of this run and thread, unique.
    """

    def __init__(
        self, transport: Transport, *, queues: Mapping[AmqpQueue, AmqpQueue], run: str
    ) -> None:
        self._shared: Coordination | None = transport.coordination
        self._directory = transport.directory
        self._large_messages = transport.large_messages
        self._clock = transport.clock
        self._queues = queues
        self._run = run
        self._second_copies = SecondCopies(transport)
        self._entries: Iterator[Item] | None = None
        # Names of claimed copies that were handed out; there may be others, after an error.
        self._handed_out: set[str] = set()
        self._uncertain = False

    def recover(self, most: int) -> Sequence[Claim]:
        """Return tasks that another run had claimed and not committed.

        Costs one Query, and a GetItem for each of them.
        """
        if self._shared is None:
            return []
        claims: list[Claim] = []
        mine = f"{self._run}#"
        for page in self._shared.table.pages(CLAIMED):
            for copy in page:
                if len(claims) == most:
                    return claims
                if not (text_of(copy, SORT) or "").startswith(mine):
                    claims += self._adopted(self._shared, copy)
        return claims

    def claim(self, most: int) -> Sequence[Claim]:
        """Take up to ``most`` tasks, those first that are due first.

        Costs one Query a lane and one for each shard, and for each task two PutItem and two
        deletes, and one PutItem more for one that was migrated.
        """
        if self._shared is None:
            return []
        claims = self._unheard_of(self._shared, most) if self._uncertain else []
        if not claims:
            # Until they are handed out.
            self._uncertain = True
            claims = self._taken(self._shared, most)
            self._uncertain = False
        self._handed_out.update(_name_of(each.handle) for each in claims)
        return claims

    def _taken(self, shared: Coordination, most: int) -> list[Claim]:
        claims: list[Claim] = []
        try:
            if self._entries is None:
                self._entries = self._wanted(shared)
            while len(claims) < most and (entry := next(self._entries, None)) is not None:
                claims += self._claimed(shared, entry)
        except BaseException:
            self._entries = None
            raise
        if len(claims) < most:
            self._entries = None
        return claims

    def _unheard_of(self, shared: Coordination, most: int) -> list[Claim]:
        """Return what this run has claimed and not handed out, because of an error."""
        claims: list[Claim] = []
        for page in shared.table.pages(CLAIMED):
            for copy in page:
                name = text_of(copy, SORT) or ""
                if name.startswith(f"{self._run}#") and name not in self._handed_out:
                    claims += self._adopted(shared, copy)
                if len(claims) == most:
                    return claims
        self._uncertain = False
        return claims

    def not_handed_out(self, claims: Sequence[ParkedClaim]) -> None:
        """Hand these out again: nobody got them."""
        self._handed_out.difference_update(map(_name_of, claims))
        self._uncertain |= bool(claims)

    def commit(self, claims: Sequence[ParkedClaim]) -> None:
        """Remove tasks for good, and what of them is in S3. One BatchWriteItem for each 25."""
        if self._shared is not None and claims:
            self._shared.schedule.remove([each.copy for each in claims])
            for each in claims:
                self._large_messages.discard(each.task.message)
                self._handed_out.discard(_name_of(each))

    def give_back(self, claims: Sequence[ParkedClaim]) -> None:
        """Park tasks again. Two writes and a delete for each."""
        if self._shared is None:
            return
        for each in claims:
            lane = FIFO if is_fifo(each.task.queue_url) else STANDARD
            self._shared.schedule.park(each.task, lane)
            self._shared.schedule.remove([each.copy])
            self._handed_out.discard(_name_of(each))

    def _wanted(self, shared: Coordination) -> Iterator[Item]:
        for lane in LANES:
            for marker in shared.schedule.markers(lane):
                for page in shared.schedule.entries(marker.shard):
                    yield from page

    def _claimed(self, shared: Coordination, entry: Item) -> list[Claim]:
        try:
            task = shared.schedule.task_of(entry)
        except ValueError as error:
            logger.error("parked task %s stays: %s", text_of(entry, SORT), error)  # noqa: TRY400
            return []
        if task is None or may_be_moving(task.send_after, self._clock.now()):
            return []
        if not self._is_wanted(task):
            return []
        copy = self._copied(shared, entry, task)
        if not shared.schedule.take(entry):
            # A mover was faster, or an operator.
            shared.schedule.remove([copy])
            return []
        return self._first_copy(shared, ParkedClaim(copy=copy, task=task), seen_before=False)

    def _is_wanted(self, task: ScheduledTask) -> bool:
        queue = self._directory.base(task.queue)
        address = self._directory.existing(task.queue) if queue in self._queues else None
        return address is not None and address.url == task.queue_url

    def _copied(self, shared: Coordination, entry: Item, task: ScheduledTask) -> Item:
        origin = (text_of(entry, PARTITION) or "", text_of(entry, SORT) or "")
        key = key_item(CLAIMED, "#".join([self._run, *origin]))
        *parts, copy = entry_items(task, key)
        copy = {**copy, ORIGIN_PARTITION: text(origin[0]), ORIGIN_SORT: text(origin[1])}
        for item in (*parts, copy):
            shared.table.put(item)
        return copy

    def _adopted(self, shared: Coordination, copy: Item) -> list[Claim]:
        """Return a claim of another run; without its entry deleted it never was one."""
        if shared.table.get(_origin_key(copy)) is not None:
            shared.schedule.remove([copy])
            return []
        keys = part_keys(copy)
        try:
            parts = shared.table.get_many(keys) if keys else []
            task = scheduled_task({**copy, **_origin_key(copy)}, parts)
        except ValueError as error:
            logger.error("claimed task %s stays: %s", text_of(copy, SORT), error)  # noqa: TRY400
            return []
        return self._first_copy(shared, ParkedClaim(copy=copy, task=task), seen_before=True)

    def _first_copy(
        self, shared: Coordination, claim: ParkedClaim, *, seen_before: bool
    ) -> list[Claim]:
        if self._second_copies.has(claim.task.message.message_attributes, ""):
            shared.schedule.remove([claim.copy])
            return []
        return [self._claim(claim, seen_before=seen_before)]

    def _claim(self, claim: ParkedClaim, *, seen_before: bool) -> Claim:
        mark = migration_mark(claim.task.message.message_attributes)
        return Claim(
            message=self._message(claim),
            handle=claim,
            seen_before=seen_before or mark is not None,
        )

    def _message(self, claim: ParkedClaim) -> Message:
        task = claim.task
        base = self._directory.base(task.queue)
        mark = migration_mark(task.message.message_attributes)
        key = _key_of(claim.copy) if mark is None else mark.task_key
        queue = self._queues.get(base, base)
        try:
            envelope = self._large_messages.read(task.message)
        except (ConfigurationError, ObjectNotFoundError, UnicodeDecodeError) as error:
            raw = task.message.body.encode()
            return Unreadable(key=key, queue=queue, raw=raw, reason=f"its body is lost: {error}")
        highest = self._directory.priorities(base).highest
        return carried(envelope, key=key, queue=queue, step=task.queue, highest_number=highest)


def _name_of(claim: ParkedClaim) -> str:
    return text_of(claim.copy, SORT) or ""


def _origin_key(copy: Item) -> Item:
    return {PARTITION: copy[ORIGIN_PARTITION], SORT: copy[ORIGIN_SORT]}


def _key_of(copy: Item) -> str:
    return f"{text_of(copy, ORIGIN_PARTITION)}#{text_of(copy, ORIGIN_SORT)}"


def claimed_tasks(shared: Coordination) -> int:
    """Return how many parked tasks runs have claimed and not committed. One Query for each MB."""
    return shared.table.count(CLAIMED)
