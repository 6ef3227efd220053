"""Writes results of Redis into our table, as our backend does, for as long as they have left."""

from collections.abc import Sequence
from typing import Any

from celery_aws.core.conditions import holds
from celery_aws.core.result_copies import life_seconds
from celery_aws.migrate.results.payloads import payload_for
from celery_aws.migrate.results.redis_results import Kind, RedisResults, ResultKey, StoredResult
from celery_aws.migrate.results.tally import ResultTally
from celery_aws.results import DynamoDBBackend
from celery_aws.results.items import may_be_copied_over


class IntoOurs:
    """Copies batches of results; threads may share it.

    Args:
        source: where they are.
        target: our backend.
    """

    def __init__(self, source: RedisResults, target: DynamoDBBackend) -> None:
        self._source = source
        self._target = target

    def copy(self, keys: Sequence[ResultKey]) -> ResultTally:
        """Copy what is under keys, tasks' or groups'.

        Costs two round trips of Redis, a BatchGetItem for each 100, and a PutItem for each that is
        not there yet; what a large one takes beside.
        """
        stored = list(self._source.read(keys))
        tally = ResultTally(expired=len(keys) - len(stored))
        there = self._target.retries.of_store(
            lambda: self._target.store.items_of(self._key(each.at) for each in stored)
        )
        for each in stored:
            tally += self._copy(each, there.get(self._key(each.at)))
        return tally

    def _copy(self, stored: StoredResult, there: Any) -> ResultTally:
        read, is_group = None, stored.at.kind is Kind.GROUP
        if stored.payload is not None:
            read = payload_for(
                self._target, self._source.backend, stored.payload, is_group=is_group
            )
        if read is None:
            return ResultTally(unreadable=(stored.at.key.decode(errors="backslashreplace"),))
        condition = may_be_copied_over(read.status, stored.read_at)
        is_written = holds(condition, there or {}) and self._target.retries.of_store(
            lambda: self._target.store.write_if(
                self._key(stored.at),
                read.content,
                condition=condition,
                now=stored.read_at,
                life_seconds=life_seconds(stored.read_at, stored.left_milliseconds),
                status=read.status,
            )
        )
        if not is_written:
            return ResultTally(kept=1)
        return ResultTally(groups=1) if is_group else ResultTally(copied=1)

    def _key(self, key: ResultKey) -> bytes:
        target = self._target
        name = target.get_key_for_group if key.kind is Kind.GROUP else target.get_key_for_task
        return bytes(name(key.id))
