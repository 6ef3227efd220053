"""What was published in a batch and is not with SQS yet: which requests may go now. Pure.

Messages wait in a lane for each queue. A request takes ten of a lane, or what is 1 MiB together;
lanes do not keep each other waiting. A lane that has failed goes on with one request at a time,
after a rest, until one succeeds. If that does not help either, the lane is closed: what waits in it
does not go.

A lane of a FIFO queue keeps the order of each message group: it has one request under way, with one
message of each group in it, because SQS may refuse an entry of a request and accept those behind
it. Facts: SendMessageBatch in the SQS API reference.
"""

import math
from collections import deque
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from celery_aws.core.backoff import Random
from celery_aws.core.outgoing_entries import Entry, Failure
from celery_aws.core.publish_retries import PublishRetries
from celery_aws.core.task_ids import TaskIds
from celery_aws.limits import SQS_BATCH_ENTRIES, SQS_MESSAGE_BYTES

K = TypeVar("K", bound=Hashable)

#: Waiting messages of a FIFO queue among which ten of different groups are looked for.
_FIFO_WINDOW = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Request(Generic[K]):
    """What goes together now."""

    lane: K
    entries: Sequence[Entry]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of messages, by the ids of their tasks.

    Attributes:
        sent: SQS has accepted them.
        not_sent: SQS has not.
        unknown: SQS may have them.
        errors: why, for the last two.
    """

    sent: TaskIds = field(default_factory=TaskIds)
    not_sent: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    errors: dict[str, Exception] = field(default_factory=dict)


@dataclass(eq=False, kw_only=True)
class _Lane:
    fifo: bool
    waiting: deque[Entry] = field(default_factory=deque)
    waiting_bytes: int = 0
    requests: int = 0
    failing: bool = False
    rests_until: float = 0.0
    closed: Exception | None = None
    #: Message groups that lost one, and why.
    closed_groups: dict[str | None, Exception] = field(default_factory=dict)

    @property
    def full(self) -> bool:
        return len(self.waiting) >= SQS_BATCH_ENTRIES or self.waiting_bytes > SQS_MESSAGE_BYTES

    @property
    def idle(self) -> bool:
        return not self.waiting and not self.requests

    def may_go(self, *, partial: bool, overdue_since: float = -math.inf) -> bool:
        if not self.waiting or (self.requests and (self.fifo or self.failing)):
            return False
        return partial or self.full or self.waiting[0].added_at <= overdue_since

    def closed_by(self, entry: Entry) -> Exception | None:
        if self.closed is not None or not self.closed_groups:
            return self.closed
        return self.closed_groups.get(entry.message.message_group_id)


class PublishBatchState(Generic[K]):
    """What waits, what is under way, and what became of the rest. Not thread-safe.

    Args:
        retries: when to try again.
        random: spreads the waits.

    Attributes:
        pending: messages that wait or are under way.
        pending_bytes: of them.
    """

    def __init__(self, retries: PublishRetries, random: Random) -> None:
        self._retries = retries
        self._random = random
        self._lanes: dict[K, _Lane] = {}
        self.pending = 0
        self.pending_bytes = 0
        self._outcome = Outcome()
        self._given_up: list[tuple[K, Entry]] = []

    def add(self, key: K, entry: Entry, *, fifo: bool) -> bool:
        """Let a message wait in its lane.

        Returns:
            True if there may be one full request more than before.
        """
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = _Lane(fifo=fifo)
        self.pending += 1
        self.pending_bytes += entry.size_bytes
        error = lane.closed_by(entry)
        if error is not None:
            self._give_up(key, entry, error)
            return False
        lane.waiting.append(entry)
        lane.waiting_bytes += entry.size_bytes
        return len(lane.waiting) % SQS_BATCH_ENTRIES == 0 or lane.waiting_bytes > SQS_MESSAGE_BYTES

    def take(
        self, now: float, *, partial: bool, overdue_since: float = -math.inf
    ) -> Request[K] | None:
        """Return a request that may go now, and note that it is under way.

        Args:
            now: by the monotonic clock.
            partial: also one that more messages could join.
            overdue_since: also one whose first message has waited since then.
        """
        for key, lane in self._lanes.items():
            if lane.rests_until <= now and lane.may_go(
                partial=partial, overdue_since=overdue_since
            ):
                lane.requests += 1
                # Next time it is the others' turn.
                self._lanes[key] = self._lanes.pop(key)
                return Request(lane=key, entries=_cut(lane))
        return None

    def ready(self, now: float, *, partial: bool) -> int:
        """Return how many requests may go at once."""
        return sum(
            1 if lane.fifo or lane.failing else math.ceil(len(lane.waiting) / SQS_BATCH_ENTRIES)
            for lane in self._lanes.values()
            if lane.rests_until <= now and lane.may_go(partial=partial)
        )

    def rest_seconds(self, now: float, *, partial: bool) -> float | None:
        """Return after how long something may go that rests; None if nothing does."""
        ends = [
            lane.rests_until
            for lane in self._lanes.values()
            if lane.rests_until > now and lane.may_go(partial=partial)
        ]
        return min(ends) - now if ends else None

    def settle(self, request: Request[K], failures: Sequence[Failure | None], now: float) -> None:
        """Note what became of each entry of a request that was answered; None is accepted."""
        lane = self._back(request)
        lane.failing = False
        again = []
        for entry, failure in zip(request.entries, failures, strict=True):
            if failure is None:
                self._end(entry)
                self._outcome.sent.append(entry.task_id)
            elif self._fails(request.lane, lane, entry, failure, now):
                again.append(entry)
        self._wait_again(request.lane, lane, again)

    def fail(
        self,
        request: Request[K],
        error: Exception,
        now: float,
        *,
        maybe_sent: bool,
        rest_seconds: float | None = None,
    ) -> None:
        """Note that a request as a whole did not succeed and may be tried again.

        Args:
            request: the request.
            error: why.
            now: by the monotonic clock.
            maybe_sent: SQS may have accepted it nevertheless.
            rest_seconds: until the next try, if the policy does not say that.
        """
        lane = self._back(request)
        lane.failing = True
        for entry in request.entries:
            entry.failures += 1
            entry.maybe_sent = entry.maybe_sent or maybe_sent
        if rest_seconds is None:
            worst = max(entry.failures for entry in request.entries)
            rest_seconds = self._retries.wait_seconds(worst, self._random)
        if rest_seconds is None:
            lane.closed = error
        else:
            lane.rests_until = max(lane.rests_until, now + rest_seconds)
        self._wait_again(request.lane, lane, request.entries)
        self._empty_closed(request.lane, lane)

    def close(self, request: Request[K], error: Exception, *, maybe_sent: bool) -> None:
        """Note that a request did not succeed, and that no other of its lane will."""
        lane = self._back(request)
        lane.closed = error
        for entry in request.entries:
            entry.maybe_sent = entry.maybe_sent or maybe_sent
        self._wait_again(request.lane, lane, request.entries)
        self._empty_closed(request.lane, lane)

    def discard(self) -> None:
        """Forget what waits, as if it had never been published; what is under way goes on."""
        for lane in self._lanes.values():
            while lane.waiting:
                self._end(lane.waiting.popleft())
            lane.waiting_bytes = 0

    def outcome(self) -> Outcome:
        """Return what became of messages since this was last asked; closed lanes open again."""
        for key in [key for key, lane in self._lanes.items() if lane.idle]:
            del self._lanes[key]
        told, self._outcome = self._outcome, Outcome()
        return told

    def given_up(self) -> Iterator[tuple[K, Entry]]:
        """Yield, once, what has not gone and will not."""
        while self._given_up:
            yield self._given_up.pop()

    def _back(self, request: Request[K]) -> _Lane:
        lane = self._lanes[request.lane]
        lane.requests -= 1
        return lane

    def _fails(self, key: K, lane: _Lane, entry: Entry, failure: Failure, now: float) -> bool:
        """Note a failure of one entry; True if it is to be sent again."""
        entry.failures += 1
        entry.maybe_sent = entry.maybe_sent or failure.maybe_sent
        wait_seconds = None
        if failure.again:
            wait_seconds = self._retries.wait_seconds(entry.failures, self._random)
        if wait_seconds is None:
            if failure.again and lane.fifo:
                lane.closed_groups[entry.message.message_group_id] = failure.error
            self._give_up(key, entry, failure.error)
            return False
        lane.rests_until = max(lane.rests_until, now + wait_seconds)
        return True

    def _wait_again(self, key: K, lane: _Lane, entries: Sequence[Entry]) -> None:
        for entry in reversed(entries):
            lane.waiting.appendleft(entry)
            lane.waiting_bytes += entry.size_bytes
        if lane.closed_groups:
            self._empty_closed(key, lane)

    def _empty_closed(self, key: K, lane: _Lane) -> None:
        if lane.closed is None and not lane.closed_groups:
            return
        waiting, lane.waiting = lane.waiting, deque()
        for entry in waiting:
            error = lane.closed_by(entry)
            if error is None:
                lane.waiting.append(entry)
            else:
                lane.waiting_bytes -= entry.size_bytes
                self._give_up(key, entry, error)

    def _give_up(self, key: K, entry: Entry, error: Exception) -> None:
        self._end(entry)
        outcome = self._outcome
        outcome.errors[entry.task_id] = error
        if entry.maybe_sent:
            outcome.unknown.append(entry.task_id)
        else:
            outcome.not_sent.append(entry.task_id)
            self._given_up.append((key, entry))

    def _end(self, entry: Entry) -> None:
        self.pending -= 1
        self.pending_bytes -= entry.size_bytes


def _cut(lane: _Lane) -> list[Entry]:
    """Take the next request's entries out of a lane."""
    taken = _of_different_groups(lane) if lane.fifo else _first(lane)
    lane.waiting_bytes -= sum(entry.size_bytes for entry in taken)
    return taken


def _first(lane: _Lane) -> list[Entry]:
    taken = [lane.waiting.popleft()]
    room_bytes = SQS_MESSAGE_BYTES - taken[0].size_bytes
    while lane.waiting and len(taken) < SQS_BATCH_ENTRIES:
        room_bytes -= lane.waiting[0].size_bytes
        if room_bytes < 0:
            break
        taken.append(lane.waiting.popleft())
    return taken


def _of_different_groups(lane: _Lane) -> list[Entry]:
    taken: list[Entry] = []
    passed: list[Entry] = []
    groups: set[str | None] = set()
    room_bytes = SQS_MESSAGE_BYTES
    while lane.waiting and len(taken) < SQS_BATCH_ENTRIES and len(passed) < _FIFO_WINDOW:
        entry = lane.waiting.popleft()
        fits = not taken or entry.size_bytes <= room_bytes
        if entry.message.message_group_id in groups or not fits:
            passed.append(entry)
        else:
            taken.append(entry)
            room_bytes -= entry.size_bytes
        groups.add(entry.message.message_group_id)
    lane.waiting.extendleft(reversed(passed))
    return taken
