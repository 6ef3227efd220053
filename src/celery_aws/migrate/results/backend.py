"""The result backend of a migration: reads the new one, then the old one; writes the new one.

Set ``result_backend = "celery_aws.migrate:ResultBackend"``, and say in
``result_backend_transport_options`` which two (:mod:`celery_aws.config.two_backends`). With the two
exchanged it is the way back.

* A state that has ended is the truth, and a success above all: the old backend is asked when the
  new one has none. Who waits looks at both, often at first and then less, as with ours alone.
* Chords stay in the backend in which they began, whoever runs their tasks, and their bodies go
  out once (:mod:`celery_aws.migrate.results.homes`).
* What is mirrored, is written to the old one as well, whose clients hear of it as always.

Like every backend it holds nothing that cannot be shared by forked processes, and making one does
no I/O. Facts: celery/backends/base.py, what each method of ``Backend`` calls; celery/app/utils.py,
``filter_hidden_settings``.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeAlias

from celery import Celery, states
from celery.backends.base import Backend, SyncBackendMixin
from celery.exceptions import BackendStoreError

from celery_aws.clock import Clock, SystemClock
from celery_aws.config.two_backends import WHERE, TwoBackendsOptions, parse_two_backends
from celery_aws.core.result_copies import rank_of
from celery_aws.errors import AwsError, ConfigurationError, TemporaryError
from celery_aws.migrate.results.homes import ChordHomes
from celery_aws.migrate.results.mirror import Mirror
from celery_aws.migrate.results.sides import (
    MIRROR_RETRY_POLICY,
    MIRROR_SETTINGS,
    Side,
    side_of,
)
from celery_aws.results import DynamoDBBackend
from celery_aws.results.joining import Joining
from celery_aws.results.read_ahead import Meta
from celery_aws.results.waiting import Waiting

logger = logging.getLogger(__name__)

#: Makes a side of an app, its name, its URL, its options and settings of its own.
MakeSide: TypeAlias = Callable[..., Side]


class ResultBackend(Waiting, Joining, Backend, SyncBackendMixin):
    """Results in two backends, of which at least one is of this package.

    Args:
        app: the Celery app.
        url: has no meaning here.
        make_side: makes the two, for tests.
        clock: instead of the machine's, for tests.
        kwargs: what Celery's base class takes.

    Raises:
        ConfigurationError: an option is wrong, neither backend is ours, or one of them cannot be
            one of two.
    """

    supports_native_join = True
    # It is for the two to say, each for itself.
    supports_result_compression = True
    supports_failure_expires = True
    persistent = True

    def __init__(
        self,
        app: Celery,
        url: str | None = None,
        *,
        make_side: MakeSide = side_of,
        clock: Clock | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(app=app, url=url, **kwargs)
        options = parse_two_backends(app.conf.get(WHERE) or {})
        self.clock = SystemClock() if clock is None else clock
        self.new = make_side(app, "new", options.new_backend, options.new_options, {})
        self.old = make_side(app, "old", options.old_backend, options.old_options, {})
        self._check()
        self._begins = self.new if options.chords == "new" else self.old
        self._homes = ChordHomes(self.new, self.old)
        self.mirror = self._new_mirror(app, options, make_side)
        self._offered = threading.local()
        if all(side.may_be_shared for side in self._sides):
            # Else Celery makes one for each thread and greenlet, with connections of its own.
            self.thread_safe = True
        for side in self._sides:
            # What a side tells of a chord's error concerns tasks of the app, and their results.
            side.backend.chord_error_from_stack = self.chord_error_from_stack

    @property
    def ours(self) -> DynamoDBBackend:
        """The backend of this package, the new one if both are."""
        ours: DynamoDBBackend = next(side.backend for side in self._sides if side.is_ours)
        return ours

    @property
    def supports_autoexpire(self) -> bool:
        """Whether neither needs Celery's daily cleanup."""
        return all(side.backend.supports_autoexpire for side in self._sides)

    def as_uri(self, include_password: bool = False) -> str:
        """Return both URLs, secrets masked unless asked for."""
        new, old = (side.backend.as_uri(include_password) for side in self._sides)
        return f"{new} before {old}"

    def exception_safe_to_retry(self, exc: BaseException) -> bool:
        """Tell ``result_backend_always_retry`` whether the same request may succeed later."""
        return isinstance(exc, TemporaryError) or any(
            side.backend.exception_safe_to_retry(exc) for side in self._sides
        )

    # Reading: Celery's base class, Waiting and Joining ask these.

    def read_payloads(self, task_ids: Iterable[str]) -> dict[str, Any]:
        """Return what is known of each of ``task_ids``, decoded; None where that is nothing.

        Costs a BatchGetItem for each 100, and one question to the other backend, about those that
        have not succeeded.
        """
        wanted = list(dict.fromkeys(task_ids))
        new = self.new.read(wanted)
        open_ = [each for each in wanted if not _succeeded(new.get(each))]
        old = self.old.read(open_) if open_ else {}
        return {each: _truth(new.get(each), old.get(each)) for each in wanted}

    def meta_of(self, payload: Any) -> Meta:
        """Return what :meth:`read_payloads` says; nothing stored is pending."""
        return payload or {"status": states.PENDING, "result": None}

    @contextmanager
    def offering(self, payloads: Mapping[str, Any]) -> Iterator[None]:
        """Answer this thread's questions with what it has just read, each once, until the end."""
        self._offered.payloads = dict(payloads)
        try:
            yield
        finally:
            self._offered.payloads = {}

    def _get_task_meta_for(self, task_id: str) -> Meta:
        offered = getattr(self._offered, "payloads", {})
        if task_id in offered:
            return self.meta_of(offered.pop(task_id))
        return self.meta_of(self.read_payloads([task_id])[task_id])

    def task_result_exists(self, task_id: str) -> bool:
        """Tell whether either backend has something for a task."""
        return self.read_payloads([task_id])[task_id] is not None

    def _restore_group(self, group_id: str) -> Any:
        metas = (side.backend.get_group_meta(group_id, cache=False) for side in self._sides)
        return next((meta for meta in metas if meta), None)

    # Writing.

    def store_result(
        self,
        task_id: str,
        result: Any,
        state: str,
        traceback: str | None = None,
        request: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Store a task's state in the new backend, and in the old one if that is mirrored.

        Raises what the new one raises.
        """

        def store(backend: Any) -> Any:
            return backend.store_result(
                task_id, result, state, traceback=traceback, request=request, **kwargs
            )

        stored = store(self.new.backend)
        if self.mirror is not None:
            self.mirror.write(f"the state {state} of task {task_id}", store)
        return stored

    def _save_group(self, group_id: str, result: Any) -> Any:
        saved = self.new.backend.save_group(group_id, result)
        if self.mirror is not None:
            self.mirror.write(
                f"group {group_id}", lambda backend: backend.save_group(group_id, result)
            )
        return saved

    def _forget(self, task_id: str) -> None:
        for side in self._sides:
            side.backend.forget(task_id)

    def _delete_group(self, group_id: str) -> None:
        for side in self._sides:
            side.backend.delete_group(group_id)

    def cleanup(self) -> None:
        """Do Celery's daily cleanup in both."""
        for side in self._sides:
            side.backend.cleanup()

    def process_cleanup(self) -> None:
        """Do what is to be done at the end of a task in both."""
        for side in self._sides:
            side.backend.process_cleanup()

    # Chords.

    def ensure_chords_allowed(self) -> None:
        """Raise if chords cannot begin."""
        self._begins.backend.ensure_chords_allowed()

    def apply_chord(self, header_result_args: Any, body: Any, **kwargs: Any) -> None:
        """Begin a chord, where the option ``chords`` says."""
        self._begins.backend.apply_chord(header_result_args, body, **kwargs)

    def set_chord_size(self, group_id: str, chord_size: int) -> None:
        """Say how many parts a chord has that has just begun."""
        self._begins.backend.set_chord_size(group_id, chord_size)

    def add_to_chord(self, chord_id: str, result: Any) -> None:
        """Let a chord wait for one more task, where it began. One GetItem more."""
        self._homes.add(chord_id, result)

    def mark_as_done(
        self,
        task_id: str,
        result: Any,
        request: Any = None,
        store_result: bool = True,
        state: str = states.SUCCESS,
    ) -> None:
        """Store what a task returned, and tell the chord that it is a part of.

        A part of a chord costs one GetItem more than where it began, and two in Redis.
        """
        store: Callable[[], Any] | None = None
        if store_result and not getattr(request, "ignore_result", False):
            store = partial(self.store_result, task_id, result, state, request=request)
        if not (request and request.chord and request.group):
            if store is not None:
                store()
            return
        home = self._home_of(request)
        if home is None or not home.is_ours:
            if store is not None:
                store()
            if home is not None:
                self._tell(home, request, state, result)
            return
        self._tell_ours(home, request, state, result, store)

    def _tell_ours(
        self, home: Side, request: Any, state: str, result: Any, store: Callable[[], Any] | None
    ) -> None:
        # As celery_aws.results.chords has it: the part first, if Celery takes a stored success for
        # the end of its task.
        part_first = bool(self.app.conf.worker_deduplicate_successful_tasks)
        if store is not None and not part_first:
            store()
        home.backend.on_chord_part_return(
            request,
            state,
            result,
            stored=store is not None and not part_first and home is self.new,
            store=store if part_first else None,
        )

    def on_chord_part_return(self, request: Any, state: str, result: Any, **kwargs: Any) -> None:
        """Tell a chord that a part of it has ended, where it began.

        One GetItem more, and two for a chord of Redis.
        """
        home = self._home_of(request) if request.group else None
        if home is not None:
            self._tell(home, request, state, result, **kwargs)

    def _tell(self, home: Side, request: Any, state: str, result: Any, **kwargs: Any) -> None:
        home.backend.on_chord_part_return(request, state, result, **kwargs)
        try:
            moved = self._homes.moved_from(home, request.group)
        except (AwsError, BackendStoreError) as error:
            # Most chords are not moved. Of one that is, the next move finds the part.
            logger.critical(
                "chord %s: task %s has returned to the old result backend, and whether the chord "
                "is still there cannot be said: %s",
                request.group,
                request.id,
                error,
            )
            return
        if moved is not None:
            moved.backend.on_chord_part_return(request, state, result)

    def _home_of(self, request: Any) -> Side | None:
        try:
            return self._homes.of(request.group)
        except (AwsError, BackendStoreError) as error:
            # As where ours cannot record it: the task has ended as it has.
            self.ours.lose_part(request, error)
            return None

    @property
    def _sides(self) -> tuple[Side, Side]:
        return self.new, self.old

    def _check(self) -> None:
        if not any(side.is_ours for side in self._sides):
            raise ConfigurationError(
                f"{WHERE}: neither 'new_backend' nor 'old_backend' is aws+dynamodb://",
                where=WHERE,
                key="new_backend",
            )

    def _new_mirror(
        self, app: Celery, options: TwoBackendsOptions, make_side: MakeSide
    ) -> Mirror | None:
        if options.mirror is None:
            return None
        tried = {**options.old_options, "retry_policy": MIRROR_RETRY_POLICY}
        side = make_side(app, "old", options.old_backend, tried, MIRROR_SETTINGS)
        return Mirror(side, self.clock)


def _succeeded(meta: Meta | None) -> bool:
    return meta is not None and meta["status"] == states.SUCCESS


def _rank(meta: Meta | None) -> int:
    return rank_of(None if meta is None else meta["status"])


def _truth(new: Meta | None, old: Meta | None) -> Meta | None:
    """Return the state that is further, the new one of two that are equally far."""
    return old if _rank(old) > _rank(new) else new
