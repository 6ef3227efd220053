"""Results of a real Redis in our table, and how much of their time is left there."""

import time
from collections import Counter
from typing import Any

import pytest
from celery import states
from celery.app.task import Context
from celery.result import AsyncResult, GroupResult
from kombu.utils.uuid import uuid

from celery_aws import request_counts
from celery_aws.clock import SystemClock
from celery_aws.errors import ConfigurationError, UnreachableError, UnsupportedError
from celery_aws.migrate.result_verification import ComparedResults, compare_results
from celery_aws.migrate.results.copying import copy_results
from celery_aws.migrate.results.inventory import result_inventory
from celery_aws.migrate.results.redis_results import RedisResults
from celery_aws.migrate.results.tally import ResultTally
from celery_aws.results.chord_items import root_of
from celery_aws.testing.fixtures import AwsEnvironment
from tests.integration.migrate.results.conftest import app_of, item_of, store
from tests.servers import RedisServer

# Of redis-py, about what Celery calls.
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning")

TEXT = 'J\u00f6rg \u65e5\u672c\u8a9e "quoted" \\ \x00 \n \U0001f680'


def writes_of(run: Any) -> int:
    before = Counter(request_counts())
    run()
    spent = Counter(request_counts()) - before
    return sum(n for name, n in spent.items() if "PutItem" in name or "Write" in name)


def test_every_kind_of_result_is_readable_and_a_second_run_writes_nothing(
    old: Any, new: Any
) -> None:
    ids = {store(old, [number, TEXT]): [number, TEXT] for number in range(1_000)}
    failed = store(old, LookupError("why", 1), states.FAILURE, traceback="Traceback ...")
    unfinished = store(old, {"percent": 50}, "PROGRESS")
    large = store(old, "x" * 600_000)
    group = GroupResult(uuid(), [AsyncResult(each, app=new) for each in list(ids)[:3]], app=new)
    group.save(backend=old.backend)
    old.backend.client.set("a lock of somebody else's", "1")

    tally = copy_results(old, new)
    assert tally == ResultTally(copied=1_003, groups=1)
    read = {each: meta["result"] for each, meta in new.backend.get_many(ids, timeout=5)}
    assert read == ids
    assert len(AsyncResult(large, app=new).get(timeout=5)) == 600_000
    assert AsyncResult(unfinished, app=new).state == "PROGRESS"
    with pytest.raises(LookupError, match="why"):
        AsyncResult(failed, app=new).get(timeout=5)
    assert AsyncResult(failed, app=new).traceback == "Traceback ..."
    restored = GroupResult.restore(group.id, app=new)
    assert [each.id for each in restored.results] == [each.id for each in group.results]

    again: list[ResultTally] = []
    assert writes_of(lambda: again.append(copy_results(old, new))) == 0
    assert again == [ResultTally(kept=1_004)]


def test_results_keep_the_bytes_and_the_attributes_that_ours_have(old: Any, new: Any) -> None:
    copied, ours = store(old, 1), store(new, 1)
    copy_results(old, new)
    found, of_ours = item_of(new, copied), item_of(new, ours)
    payload = old.backend.client.get(old.backend.get_key_for_task(copied))
    assert found["result"] == {"B": payload}
    assert set(found) == set(of_ours)
    assert found["status"] == of_ours["status"]


def test_results_expire_when_they_would_have(old: Any, new: Any) -> None:
    client = old.backend.client
    ids = [store(old, number) for number in range(4)]
    keys = [old.backend.get_key_for_task(each) for each in ids]
    for key, left in zip(keys[:3], (1_500, 90_000, 7_000_000), strict=True):
        client.pexpire(key, left)
    client.persist(keys[3])
    ends = [client.pexpiretime(key) / 1_000 for key in keys[:3]]
    copy_results(old, new)
    items = [item_of(new, each) for each in ids]
    ttls = [int(item["ttl"]["N"]) for item in items[:3]]
    assert all(-0.2 <= end - ttl < 1.2 for ttl, end in zip(ttls, ends, strict=True))
    assert "ttl" not in items[3]


def test_what_is_further_is_kept(old: Any, new: Any) -> None:
    def both(before: tuple[str, str], now: tuple[str, str]) -> str:
        task_id = str(uuid())
        old.backend.store_result(task_id, _value(*before), before[1])
        new.backend.store_result(task_id, _value(*now), now[1])
        return task_id

    expected = {
        both(("old", "SUCCESS"), ("new", "SUCCESS")): "new",
        both(("old", "FAILURE"), ("new", "REVOKED")): "new",
        both(("old", "STARTED"), ("new", "RETRY")): "new",
        both(("old", "STARTED"), ("new", "FAILURE")): "new",
        both(("old", "SUCCESS"), ("new", "STARTED")): "old",
        both(("old", "SUCCESS"), ("new", "FAILURE")): "old",
        both(("old", "FAILURE"), ("new", "STARTED")): "old",
    }
    assert copy_results(old, new) == ResultTally(copied=3, kept=4)
    for task_id, side in expected.items():
        assert side in str(new.backend.get_result(task_id))


def _value(text: str, state: str) -> Any:
    return ValueError(text) if state in states.EXCEPTION_STATES else text


def test_what_cannot_be_read_is_reported_and_stops_nothing(old: Any, new: Any) -> None:
    client = old.backend.client
    good = store(old, "good")
    client.set("celery-task-meta-broken", b"\xff\xfe no result")
    client.set("celery-task-meta-other", b'{"no": "status or result"}')
    client.lpush("celery-task-meta-list", "no text")
    tally = copy_results(old, new)
    assert tally.copied == 1
    assert sorted(tally.unreadable) == [
        "celery-task-meta-broken",
        "celery-task-meta-list",
        "celery-task-meta-other",
    ]
    assert AsyncResult(good, app=new).get(timeout=5) == "good"
    assert client.dbsize() == 4


def test_a_run_that_ends_in_the_middle_is_taken_up(old: Any, new: Any) -> None:
    ids = [store(old, number) for number in range(1_200)]

    class StoppedError(Exception):
        pass

    def stop(tally: ResultTally) -> None:
        if tally.seen >= 300:
            raise StoppedError

    with pytest.raises(StoppedError):
        copy_results(old, new, threads=1, progress=stop)
    tally = copy_results(old, new)
    assert tally.kept >= 300
    assert tally.copied + tally.kept == 1_200
    assert copy_results(old, new) == ResultTally(kept=1_200)
    assert new.backend.get_result(ids[-1]) == 1_199


def test_prefixes_and_other_databases_are_kept_apart(
    redis: RedisServer, aws_environment: AwsEnvironment
) -> None:
    prefix = "p*[x]"
    old = app_of(redis.url(2), result_backend_transport_options={"global_keyprefix": prefix})
    other = app_of(redis.url(2))
    store(other, "another app's")
    app_of(redis.url(2), result_backend_transport_options={"global_keyprefix": "pp[x]"})
    task_id = store(old, "mine")
    new = app_of(
        aws_environment.celery_config()["result_backend"],
        result_backend_transport_options={"global_keyprefix": "new"},
    )
    assert copy_results(old, new) == ResultTally(copied=1)
    assert AsyncResult(task_id, app=new).get(timeout=5) == "mine"


def test_another_serializer_is_translated(redis: RedisServer, new: Any) -> None:
    pickled = {"result_serializer": "pickle", "accept_content": ["pickle", "json"]}
    old = app_of(redis.url(3), **pickled)
    value = store(old, {"key": (1, 2)})
    failed = store(old, KeyError("why"), states.FAILURE)
    assert copy_results(old, new) == ResultTally(copied=2)
    assert AsyncResult(value, app=new).get(timeout=5) == {"key": [1, 2]}
    with pytest.raises(KeyError, match="why"):
        AsyncResult(failed, app=new).get(timeout=5)


def test_what_old_clients_compressed_is_read(redis: RedisServer, new: Any) -> None:
    old = app_of(redis.url(4), result_compression="gzip")
    task_id = store(old, "x" * 10_000)
    copy_results(old, new)
    assert AsyncResult(task_id, app=new).get(timeout=5) == "x" * 10_000


def test_the_rate_is_kept(old: Any, new: Any) -> None:
    for number in range(300):
        store(old, number)
    began = time.monotonic()
    copy_results(old, new, rate=200)
    assert 0.9 < time.monotonic() - began < 10


@pytest.mark.parametrize("ask", [copy_results, lambda old, _: result_inventory(old)])
def test_a_redis_that_does_not_answer_or_refuses_is_told_as_an_error_of_ours(
    ask: Any, redis: RedisServer, new: Any
) -> None:
    with pytest.raises(UnreachableError, match=r"redis://:\*\*@127.0.0.1:1/0 does not answer"):
        ask(app_of("redis://:hush@127.0.0.1:1/0"), new)
    with pytest.raises(ConfigurationError, match=r"redis://nobody:\*\*@.* refuses") as refused:
        ask(app_of(redis.url(1).replace("//", "//nobody:hush@")), new)
    assert "hush" not in str(refused.value)


def test_only_copies_have_to_live_as_long(
    redis: RedisServer, aws_environment: AwsEnvironment, old: Any, new: Any
) -> None:
    options = {
        "new_backend": aws_environment.celery_config()["result_backend"] + "&ttl_seconds=1000",
        "old_backend": redis.url(1),
        "mirror": "old",
    }
    both = app_of("celery_aws.migrate:ResultBackend", result_backend_transport_options=options)
    for value in (1, "x" * 600_000):
        store(both, value)
    copied = [store(old, 2), store(old, "x" * 600_000)]
    again = store(old, KeyError("there"), states.FAILURE)
    old.backend.client.expire(old.backend.get_key_for_task(again), 1_000)
    new.backend.store_result(again, KeyError("here"), states.FAILURE)
    copy_results(old, new)

    def compared() -> ComparedResults:
        results = RedisResults(old.backend, SystemClock())
        return compare_results(results, new.backend, clock=SystemClock())

    assert compared() == ComparedResults(compared=5)
    for each in copied:
        old.backend.client.expire(old.backend.get_key_for_task(each), 1_000)
    found = compared().found
    assert {name: set(ids) for name, ids in found.items()} == {"results-life": set(copied)}


def test_parts_without_a_place_are_not_moved_since_they_would_count_twice(
    redis: RedisServer, new: Any
) -> None:
    unordered = {"result_chord_ordered": False}
    old = app_of(redis.url(1), result_backend_transport_options=unordered)
    chord = old.signature("body", task_id="the-body")
    for group_id in ("begun", "young"):
        old.backend.set_chord_size(group_id, 2)
    first = Context(id="first", group="begun", group_index=0, chord=dict(chord))
    old.backend.on_chord_part_return(first, states.SUCCESS, 1)
    assert copy_results(old, new, chords=True) == ResultTally(chords=1, chords_left=1)
    assert new.backend.chord_root("begun") is None
    late = Context(id="late", group="young", group_index=0, chord=dict(chord))
    old.backend.on_chord_part_return(late, states.SUCCESS, 1)
    new.backend.on_chord_part_return(late, states.SUCCESS, 1)
    copy_results(old, new, chords=True)
    assert root_of(new.backend.chord_root("young")).parts == {"0:late"}
    assert result_inventory(old).chords == {"begun": (1, 2)}  # type: ignore[union-attr]


def test_others_than_redis_are_left_to_the_backend_that_reads_both(new: Any, old: Any) -> None:
    with pytest.raises(UnsupportedError, match="ResultBackend"):
        copy_results(app_of("cache+memory://"), new)
    with pytest.raises(UnsupportedError, match="redis"):
        copy_results(old, old)
