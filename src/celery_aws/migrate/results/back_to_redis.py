"""Writes results of our table into Redis, as Celery's backend keeps them, for as long as they have.

Who waits there hears of them: Celery's clients are told by a message under the name of the key
(celery/backends/redis.py, ``_set``).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from celery.states import READY_STATES

from celery_aws.core.attributes import number_of
from celery_aws.core.result_copies import rank_of
from celery_aws.errors import ConfigurationError, ResultUnreadableError
from celery_aws.migrate.results.our_results import OurItem
from celery_aws.migrate.results.payloads import Payload, payload_for
from celery_aws.migrate.results.redis_results import Kind
from celery_aws.migrate.results.tally import ResultTally
from celery_aws.results import DynamoDBBackend
from celery_aws.results.items import TTL


@dataclass(frozen=True, kw_only=True)
class _Copy:
    key: bytes
    is_group: bool
    payload: Payload
    left_milliseconds: int | None


class BackToRedis:
    """Copies batches of results; threads may share it.

    Args:
        source: our backend.
        target: Celery's.
    """

    def __init__(self, source: DynamoDBBackend, target: Any) -> None:
        self._source = source
        self._target = target

    def copy(self, found: Sequence[OurItem]) -> ResultTally:
        """Copy tasks' and groups' items.

        Costs two round trips of Redis, and two more for each state that is further here than there;
        what large results cost to read beside.
        """
        tally = ResultTally()
        copies = []
        for each in found:
            copy = self._read(each)
            if copy is None:
                tally += ResultTally(unreadable=(each.key.decode(errors="backslashreplace"),))
            else:
                copies.append(copy)
        return tally + self._write(copies)

    def _read(self, found: OurItem) -> _Copy | None:
        try:
            content = self._source.store.payloads_of({found.key: found.item}).get(found.key)
        except (ResultUnreadableError, ConfigurationError):
            return None
        is_group = found.kind is Kind.GROUP
        payload = content and payload_for(self._target, self._source, content, is_group=is_group)
        if not payload:
            return None
        name = self._target.get_key_for_group if is_group else self._target.get_key_for_task
        left = _left_milliseconds(found, self._source.clock.now())
        return _Copy(key=name(found.id), is_group=is_group, payload=payload, left_milliseconds=left)

    def _write(self, copies: Sequence[_Copy]) -> ResultTally:
        if not copies:
            return ResultTally()
        there = self._target.client.mget([each.key for each in copies])
        new = [each for each, old in zip(copies, there, strict=True) if old is None]
        nearer = [
            each
            for each, old in zip(copies, there, strict=True)
            if old is not None and self._is_further(each, old)
        ]
        written = [*self._set_new(new), *(each for each in nearer if self._replace(each))]
        groups = sum(each.is_group for each in written)
        return ResultTally(
            copied=len(written) - groups, groups=groups, kept=len(copies) - len(written)
        )

    def _set_new(self, copies: Sequence[_Copy]) -> list[_Copy]:
        # In one transaction: who is killed in between would never tell those who wait.
        with self._target.client.pipeline(transaction=True) as pipe:
            for each in copies:
                pipe.set(each.key, each.payload.content, px=each.left_milliseconds, nx=True)
            for each in copies:
                if each.payload.status in READY_STATES:
                    pipe.publish(each.key, each.payload.content)
            answers = pipe.execute()
        # Of the messages nobody asks how many have heard them.
        return [each for each, was_set in zip(copies, answers, strict=False) if was_set]

    def _replace(self, copy: _Copy) -> bool:
        """Write over a state that is less far, if it still is."""

        def write(pipe: Any) -> bool:
            old = pipe.get(copy.key)
            pipe.multi()
            if old is not None and not self._is_further(copy, old):
                return False
            pipe.set(copy.key, copy.payload.content, px=copy.left_milliseconds)
            pipe.publish(copy.key, copy.payload.content)
            return True

        client = self._target.client
        return bool(client.transaction(write, copy.key, value_from_callable=True))

    def _is_further(self, copy: _Copy, old: bytes) -> bool:
        there = payload_for(self._target, self._target, old, is_group=copy.is_group)
        return there is not None and rank_of(copy.payload.status) > rank_of(there.status)


def _left_milliseconds(found: OurItem, now: datetime) -> int | None:
    # An item is there until the second is over that it names.
    ends = number_of(found.item, TTL)
    if ends is None:
        return None
    return max(1, int((float(ends) + 1 - now.timestamp()) * 1_000))
