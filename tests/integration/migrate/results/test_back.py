"""Results of our table in a real Redis: the way back."""

import threading
import time
from contextlib import suppress
from typing import Any

import pytest
from celery import states
from celery.result import AsyncResult, GroupResult
from kombu.utils.uuid import uuid
from redis.client import Pipeline

from celery_aws.migrate.results import ResultTally, copy_results, result_inventory
from celery_aws.testing.fixtures import AwsEnvironment
from tests.integration.migrate.results.conftest import app_of, store
from tests.servers import RedisServer
from tests.watched import KilledError

# Of redis-py, about what Celery calls.
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning")


def read(app: Any, task_id: str) -> Any:
    return app.backend.get_task_meta(task_id, cache=False)


def test_every_kind_is_readable_and_a_second_run_writes_nothing(old: Any, new: Any) -> None:
    ids = {store(new, [number, "\u65e5\0"]): [number, "\u65e5\0"] for number in range(300)}
    failed = store(new, LookupError("why"), states.FAILURE, traceback="Traceback ...")
    large = store(new, "x" * 900_000)
    group = GroupResult(uuid(), [AsyncResult(each, app=new) for each in list(ids)[:3]], app=new)
    group.save()
    assert copy_results(new, old) == ResultTally(copied=302, groups=1)
    assert {each: read(old, each)["result"] for each in ids} == ids
    assert repr(read(old, failed)["result"]) == "LookupError('why')"
    assert len(read(old, large)["result"]) == 900_000
    payload = old.backend.client.get(old.backend.get_key_for_group(group.id))
    assert old.backend.decode(payload)["result"][0][0] == group.id
    assert copy_results(new, old) == ResultTally(kept=303)


def test_what_came_there_and_was_copied_comes_back_as_it_was(old: Any, new: Any) -> None:
    ids = [store(old, number) for number in range(50)]
    client = old.backend.client
    keys = [old.backend.get_key_for_task(each) for each in ids]
    before = client.mget(keys)
    copy_results(old, new)
    client.flushdb()
    copy_results(new, old)
    assert client.mget(keys) == before


def test_results_expire_when_they_would_have(
    old: Any, new: Any, aws_environment: AwsEnvironment
) -> None:
    url = aws_environment.celery_config()["result_backend"]
    task_id, for_ever = store(new, 1), store(app_of(url, result_expires=None), 1)
    copy_results(new, old)
    left = [old.backend.client.pttl(old.backend.get_key_for_task(n)) for n in (task_id, for_ever)]
    assert left[0] / 1_000 == pytest.approx(86_400, abs=5)
    assert left[1] == -1


def test_what_is_further_is_kept(old: Any, new: Any) -> None:
    started, done = str(uuid()), str(uuid())
    old.backend.store_result(started, None, states.STARTED)
    new.backend.store_result(started, "new", states.SUCCESS)
    old.backend.store_result(done, "old", states.SUCCESS)
    new.backend.store_result(done, KeyError("new"), states.FAILURE)
    assert copy_results(new, old) == ResultTally(copied=1, kept=1)
    assert read(old, started)["result"] == "new"
    assert read(old, done)["result"] == "old"


def test_a_client_that_waits_at_redis_hears_of_it(old: Any, new: Any) -> None:
    task_id = store(new, "answer")
    answers: list[Any] = []

    def wait() -> None:
        answers.append(AsyncResult(task_id, app=old).get(timeout=20))

    waiting = threading.Thread(target=wait)
    waiting.start()
    deadline = time.monotonic() + 20
    while not old.backend.client.pubsub_numsub(old.backend.get_key_for_task(task_id))[0][1]:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    copy_results(new, old)
    waiting.join(20)
    assert answers == ["answer"]


def test_killed_between_any_two_steps_it_has_told_who_waits(
    old: Any, new: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    task_id, client = store(new, "answer"), old.backend.client
    key = old.backend.get_key_for_task(task_id)
    heard = client.pubsub()
    heard.subscribe(key)
    execute = Pipeline.execute
    for steps in range(3):
        left = iter(range(steps))

        def dies(pipe: Any, *args: Any, left: Any = left, **named: Any) -> Any:
            answer = execute(pipe, *args, **named)
            if next(left, None) is None:
                raise KilledError
            return answer

        with monkeypatch.context() as dying, suppress(KilledError):
            dying.setattr(Pipeline, "execute", dies)
            copy_results(new, old)
    assert client.exists(key)
    told = [heard.get_message(timeout=1) for _ in range(2)]
    assert [each and each["type"] for each in told] == ["subscribe", "message"]
    heard.close()


def test_where_both_sides_read_both_it_is_said_which_way_it_is(
    old: Any, new: Any, redis: RedisServer, aws_environment: AwsEnvironment
) -> None:
    options = {
        "new_backend": aws_environment.celery_config()["result_backend"],
        "old_backend": redis.url(1),
    }
    one, other = (
        app_of("celery_aws.migrate:ResultBackend", result_backend_transport_options=options)
        for _ in range(2)
    )
    here, there = store(old, "of Redis"), store(new, "of the table")
    assert copy_results(one, other) == ResultTally(copied=1)
    assert AsyncResult(here, app=new).get(timeout=5) == "of Redis"
    assert read(old, there)["status"] == states.PENDING
    assert copy_results(other, one, back=True) == ResultTally(copied=1, kept=1)
    assert read(old, there)["result"] == "of the table"


def test_a_table_that_no_result_has_made_yet_is_empty(old: Any, new: Any) -> None:
    assert copy_results(new, old) == ResultTally()
    found = result_inventory(new)
    assert found is not None
    assert dict(found.results) == {}
