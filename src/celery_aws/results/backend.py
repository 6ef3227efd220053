"""Celery's result backend on DynamoDB: translates between Celery and the results table.

Made by Celery as ``cls(app=app, url=url)``, once a thread or once a process
(``result_backend_thread_safe``), and used by forked children of that process: it must hold
nothing that cannot be shared. Making one does no I/O and refuses a wrong configuration.

Facts: celery/backends/base.py of 5.5 to 5.7 (``_store_result`` and its read before each write,
``_ensure_retryable``, ``SyncBackendMixin``), celery/app/backends.py (``by_url``).
"""

import random
import threading
from collections.abc import Sequence
from functools import partial
from typing import Any

from celery import Celery, states
from celery.backends.base import BaseKeyValueStoreBackend, SyncBackendMixin
from celery.exceptions import BackendStoreError
from kombu.exceptions import ContentDisallowed, DecodeError
from kombu.utils.encoding import bytes_to_str, ensure_bytes

from celery_aws.aws.dynamodb import DynamoTableService, TableService
from celery_aws.aws.s3 import ObjectService
from celery_aws.clock import Clock, SystemClock
from celery_aws.core.result_order import ResultOrder
from celery_aws.errors import AwsError, TemporaryError
from celery_aws.groups import batch_celerys_groups
from celery_aws.results.chord_ledger import ChordLedger
from celery_aws.results.chords import Chords
from celery_aws.results.joining import Joining
from celery_aws.results.lifetimes import lifetimes
from celery_aws.results.lost_results import LostResults
from celery_aws.results.read_ahead import ReadAhead, ReadingAhead
from celery_aws.results.retries import Retries
from celery_aws.results.settings import result_settings
from celery_aws.results.store import ResultStore
from celery_aws.results.waiting import Waiting

batch_celerys_groups()


class DynamoDBBackend(
    Chords, Waiting, Joining, ReadingAhead, LostResults, BaseKeyValueStoreBackend, SyncBackendMixin
):
    """Results of tasks and groups in one DynamoDB table, shared with Celery's own backend.

    Args:
        app: the Celery app.
        url: ``dynamodb://...`` (Celery cuts off ``aws+``); None takes ``result_backend``.
        service: instead of AWS, for tests.
        objects: instead of S3, for tests.
        clock: instead of the machine's, for tests.
        kwargs: what Celery's base class takes.

    Raises:
        ConfigurationError: the URL or an option is wrong, or no region is known.
    """

    supports_autoexpire = True
    supports_native_join = True
    supports_result_compression = True
    supports_failure_expires = True
    persistent = True

    #: Set by Celery's base class, from ``result_expires``.
    expires: Any

    def __init__(
        self,
        app: Celery,
        url: str | None = None,
        *,
        service: TableService | None = None,
        objects: ObjectService | None = None,
        clock: Clock | None = None,
        **kwargs: Any,
    ) -> None:
        settings = result_settings(url, app.conf)
        super().__init__(app=app, url=url, **kwargs)
        self.lifetimes = lifetimes(
            ttl_seconds=settings.ttl_seconds,
            result_expires=self.expires,
            failure_expires=app.conf.get("result_failure_expires"),
            chord_expires=app.conf.get("result_chord_expires"),
        )
        self.expires = self.lifetimes.result
        self.clock = SystemClock() if clock is None else clock
        self.retries = Retries(policy=settings.retry_policy, clock=self.clock)
        self.store = ResultStore(
            service=DynamoTableService(settings.access) if service is None else service,
            table=settings.table,
            spec=settings.spec,
            creates_table=settings.creates_table,
            clock=self.clock,
            random=random.random,
            objects=settings.objects if objects is None else settings.objects.through(objects),
        )
        self.ledger = ChordLedger(
            store=self.store, life_seconds=self.lifetimes.chord, retries=self.retries
        )
        self.stock_chords = settings.stock_chords
        # It is, and has one object for all threads and greenlets: else Celery makes one for each,
        # which with gevent is one for each task (celery/app/base.py, ``backend``).
        self.thread_safe = True
        # Only now: while it is made, Celery's base class would take over `apply_chord`.
        self.implements_incr = True
        self._begun = threading.local()
        self.read_ahead = ReadAhead(ResultOrder())
        self._result_url = settings.url

    def as_uri(self, include_password: bool = False) -> str:
        """Return the URL, the secret masked unless asked for."""
        return self._result_url.as_uri(include_password=include_password)

    def exception_safe_to_retry(self, exc: BaseException) -> bool:
        """Tell ``result_backend_always_retry`` whether the same request may succeed later."""
        return isinstance(exc, TemporaryError)

    def get(self, key: bytes) -> bytes | None:
        """Return what is stored under ``key``, or None. One GetItem."""
        self.read_ahead.drop()
        return self.retries.of_read(lambda: self.store.read(key))

    def mget(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return what is stored under each of ``keys``. One BatchGetItem for each 100."""
        self.read_ahead.drop()
        found = self.retries.of_read(lambda: self.store.read_many(keys))
        return [found.get(key) for key in keys]

    def set(self, key: bytes, value: str | bytes) -> None:
        """Store ``value`` over whatever is there, for as long as a result. One PutItem."""
        self.read_ahead.drop()
        payload, life_seconds = ensure_bytes(value), self.lifetimes.result
        self.retries.of_store(lambda: self.store.write(key, payload, life_seconds=life_seconds))

    def delete(self, key: bytes) -> None:
        """Delete what is stored under ``key``, if anything. One DeleteItem."""
        self.read_ahead.drop()
        self.retries.of_read(lambda: self.store.delete(key))

    def _store_result(
        self,
        task_id: str,
        result: Any,
        state: str,
        traceback: str | None = None,
        request: Any = None,
        **_: Any,
    ) -> Any:
        self.read_ahead.drop()
        meta = self._get_result_meta(
            result=result, state=state, traceback=traceback, request=request
        )
        meta["task_id"] = bytes_to_str(task_id)
        in_chord = bool(getattr(request, "chord", None))
        write = partial(
            self.store.write_state,
            self.get_key_for_task(task_id),
            ensure_bytes(self.encode(meta)),
            status=state,
            life_seconds=self.lifetimes.of_state(state, in_chord=in_chord),
            status_of=self._status_of,
        )
        try:
            self.retries.of_store(write)
        except TemporaryError:
            raise  # Celery's retry has to see what it was
        except AwsError as error:
            raise BackendStoreError(str(error), state=state, task_id=task_id) from error
        return result

    def _save_group(self, group_id: str, result: Any) -> Any:
        # A group may be a chord's header, which must not end before its chord does.
        key = self.get_key_for_group(group_id)
        payload = ensure_bytes(self.encode({"result": result.as_tuple()}))
        life_seconds = self.lifetimes.chord_part
        self.retries.of_store(lambda: self.store.write(key, payload, life_seconds=life_seconds))
        return result

    def _status_of(self, payload: bytes) -> str:
        try:
            return str(self.decode(payload)["status"])
        except (DecodeError, ContentDisallowed):
            # Of another serializer. To raise would lose the result that is to replace it.
            return str(states.PENDING)
