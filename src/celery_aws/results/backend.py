"""Celery's result backend on DynamoDB: translates between Celery and the results table.

Made by Celery as ``cls(app=app, url=url)``, once a thread or once a process
(``result_backend_thread_safe``), and used by forked children of that process: it must hold
nothing that cannot be shared. Making one does no I/O and refuses a wrong configuration.

Facts: celery/backends/base.py of 5.5 to 5.7 (``_store_result`` and its read before each write,
``_ensure_retryable``, ``SyncBackendMixin``), celery/app/backends.py (``by_url``).
"""

import random
from collections.abc import Sequence
from typing import Any

from celery import Celery
from celery.backends.base import BaseKeyValueStoreBackend, SyncBackendMixin
from celery.exceptions import BackendStoreError
from kombu.utils.encoding import bytes_to_str, ensure_bytes

from celery_aws.aws.dynamodb import DynamoTableService, TableService
from celery_aws.clock import Clock, SystemClock
from celery_aws.errors import AwsError, TemporaryError
from celery_aws.results.chords import CounterChords
from celery_aws.results.lifetimes import lifetimes
from celery_aws.results.settings import result_settings
from celery_aws.results.store import ResultStore
from celery_aws.results.waiting import EagerWaiting


class DynamoDBBackend(CounterChords, EagerWaiting, BaseKeyValueStoreBackend, SyncBackendMixin):
    """Results of tasks and groups in one DynamoDB table, shared with Celery's own backend.

    Args:
        app: the Celery app.
        url: ``dynamodb://...`` (Celery cuts off ``aws+``); None takes ``result_backend``.
        service: instead of AWS, for tests.
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
        self.store = ResultStore(
            service=DynamoTableService(settings.access) if service is None else service,
            table=settings.table,
            spec=settings.spec,
            creates_table=settings.creates_table,
            clock=self.clock,
            random=random.random,
        )
        self._result_url = settings.url

    def as_uri(self, include_password: bool = False) -> str:
        """Return the URL, the secret masked unless asked for."""
        return self._result_url.as_uri(include_password=include_password)

    def exception_safe_to_retry(self, exc: BaseException) -> bool:
        """Tell ``result_backend_always_retry`` whether the same request may succeed later."""
        return isinstance(exc, TemporaryError)

    def get(self, key: bytes) -> bytes | None:
        """Return what is stored under ``key``, or None. One GetItem."""
        return self.store.read(key)

    def mget(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return what is stored under each of ``keys``. One BatchGetItem for each 100."""
        found = self.store.read_many(keys)
        return [found.get(key) for key in keys]

    def set(self, key: bytes, value: str | bytes) -> None:
        """Store ``value`` over whatever is there, for as long as a result. One PutItem."""
        self.store.write(key, ensure_bytes(value), life_seconds=self.lifetimes.result)

    def delete(self, key: bytes) -> None:
        """Delete what is stored under ``key``, if anything. One DeleteItem."""
        self.store.delete(key)

    def _store_result(
        self,
        task_id: str,
        result: Any,
        state: str,
        traceback: str | None = None,
        request: Any = None,
        **_: Any,
    ) -> Any:
        meta = self._get_result_meta(
            result=result, state=state, traceback=traceback, request=request
        )
        meta["task_id"] = bytes_to_str(task_id)
        in_chord = bool(getattr(request, "chord", None))
        try:
            self.store.write_state(
                self.get_key_for_task(task_id),
                ensure_bytes(self.encode(meta)),
                status=state,
                life_seconds=self.lifetimes.of_state(state, in_chord=in_chord),
                status_of=self._status_of,
            )
        except TemporaryError:
            raise  # Celery's retry has to see what it was
        except AwsError as error:
            raise BackendStoreError(str(error), state=state, task_id=task_id) from error
        return result

    def _save_group(self, group_id: str, result: Any) -> Any:
        # A group may be a chord's header, which must not end before its chord does.
        self.store.write(
            self.get_key_for_group(group_id),
            ensure_bytes(self.encode({"result": result.as_tuple()})),
            life_seconds=self.lifetimes.chord_part,
        )
        return result

    def _status_of(self, payload: bytes) -> str:
        return str(self.decode(payload)["status"])
