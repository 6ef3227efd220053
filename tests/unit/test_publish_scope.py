import contextvars
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from celery_aws.publish_scope import PublishScope, batch, current_scope, publishing_in

APP = SimpleNamespace(
    conf=SimpleNamespace(
        task_publish_retry=True, task_publish_retry_policy={"max_retries": 3, "interval_max": 1}
    )
)


class Collected:
    flushes = 0

    def flush(self) -> None:
        self.flushes += 1

    def end(self) -> None:
        self.flush()


@contextmanager
def group_of_celerys() -> Iterator[PublishScope]:
    with publishing_in(PublishScope(APP, of_group=True)) as scope:
        yield scope


def test_there_is_a_scope_only_in_the_block() -> None:
    assert current_scope() is None
    with batch(APP) as scope:
        assert current_scope() is scope
        assert scope.open
    assert current_scope() is None
    assert not scope.open


def test_what_is_put_into_it_is_flushed_at_the_end() -> None:
    with batch(APP) as scope:
        collected = scope.batch(lambda _: Collected())
        assert scope.batch(lambda _: Collected()) is collected
        scope.flush()
        assert collected.flushes == 1
    assert collected.flushes == 2
    scope.flush()
    assert collected.flushes == 2


def test_nothing_is_collected_after_it() -> None:
    with batch(APP) as scope:
        scope.batch(lambda _: Collected())
    assert scope.batch(lambda _: Collected()) is None


def test_a_block_that_raises_ends_too() -> None:
    collected = Collected()

    def fail() -> None:
        with batch(APP) as scope:
            scope.batch(lambda _: collected)
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    assert collected.flushes == 1
    assert current_scope() is None


@pytest.mark.parametrize("inner", [group_of_celerys, lambda: batch(APP)])
def test_within_a_batch_all_join_it(inner: Any) -> None:
    with batch(APP) as outer, inner() as scope:
        assert scope is outer
    assert not outer.open


def test_a_block_within_a_group_is_its_own() -> None:
    # Groups may not be collected at all; whoever asks for a batch gets one.
    with group_of_celerys() as outer:
        with group_of_celerys() as scope:
            assert scope is outer
        with batch(APP) as scope:
            assert scope is not outer
        assert outer.open
        assert current_scope() is outer


def test_options_of_a_publish_are_stronger_than_settings() -> None:
    assert PublishScope(APP).retry_settings() == (True, {"max_retries": 3, "interval_max": 1})
    scope = PublishScope(APP, retry=False, retry_policy={"max_retries": 9})
    assert scope.retry_settings() == (False, {"max_retries": 9, "interval_max": 1})


def test_no_retry_policy_at_all_is_kombus() -> None:
    conf = SimpleNamespace(task_publish_retry=True, task_publish_retry_policy=None)
    assert PublishScope(SimpleNamespace(conf=conf)).retry_settings() == (True, {})


def test_a_block_that_is_left_in_another_context_ends_all_the_same() -> None:
    """As a synchronous dependency of FastAPI's, or a fixture of pytest-asyncio's, is."""
    collected = Collected()
    block = batch(APP)
    scope = contextvars.copy_context().run(block.__enter__)
    scope.batch(lambda _: collected)
    contextvars.copy_context().run(block.__exit__, None, None, None)
    assert collected.flushes == 1
