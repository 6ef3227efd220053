"""What a result backend has, counted."""

from typing import Any

import pytest
from celery import chord, states
from celery.result import AsyncResult, GroupResult

from celery_aws.migrate.results import ResultTally, copy_results, result_inventory
from celery_aws.testing.fixtures import AwsEnvironment
from tests.integration.migrate.results.conftest import app_of, store
from tests.servers import RedisServer

# Of redis-py, about what Celery calls.
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning")


def fill(app: Any, reader: Any) -> None:
    ids = [store(app, number) for number in range(5)]
    store(app, KeyError("why"), states.FAILURE)
    store(app, None, "PROGRESS")
    members = [AsyncResult(each, app=reader) for each in ids]
    app.backend.save_group("a-group", GroupResult("a-group", members, app=reader))


def begin_chord(app: Any) -> str:
    add, total = app.signature("add", (1, 2)), app.signature("total")
    return str(chord([add.clone() for _ in range(3)], app=app)(total).parent.id)


def test_redis_is_counted(old: Any, new: Any) -> None:
    fill(old, new)
    client = old.backend.client
    client.persist(old.backend.get_key_for_task(store(old, "for ever")))
    client.set("celery-task-meta-broken", b"\xff")
    client.set("a lock", "1")
    chord_id = "g"
    old.backend.set_chord_size(chord_id, 3)
    client.zadd("celery-taskset-meta-g.j", {'[1, "t", "SUCCESS", 1]': 0})
    client.incr("celery-taskset-meta-g.t")
    client.set("celery-taskset-meta-over.c", "done")
    count = result_inventory(old)
    assert count is not None
    assert sum(count.results.values()) == 9
    assert (count.results["FAILURE"], count.results["UNREADABLE"]) == (1, 1)
    assert (count.groups, count.without_ttl) == (1, 2)
    assert count.seconds_left == pytest.approx(86_400, abs=10)
    assert count.chords == {"g": (1, 4)}
    assert count.bytes > 500


@pytest.mark.parametrize("left_by", ["5.5", "5.7"])
def test_chords_that_have_failed_are_not_waited_for(old: Any, new: Any, left_by: str) -> None:
    client = old.backend.client
    for group_id in ("failed", "ended by nobody"):
        old.backend.set_chord_size(group_id, 2)
        parts = ['[1, "t", "SUCCESS", 1]', '[1, "u", "SUCCESS", 2]']
        if group_id == "failed":
            parts[1] = '[1, "u", "FAILURE", {"exc_type": "KeyError", "exc_message": ["why"]}]'
        name = f"celery-taskset-meta-{group_id}.j"
        client.zadd(name, {part: place for place, part in enumerate(parts)})
    if left_by == "5.7":
        client.delete("celery-taskset-meta-failed.s")
    count = result_inventory(old)
    assert count is not None
    assert count.chords == {"ended by nobody": (2, 2)}
    for chords in (False, True):
        assert copy_results(old, new, chords=chords) == ResultTally(chords_left=1)
    assert result_inventory(new).chords == {}  # type: ignore[union-attr]


def test_our_table_is_counted(new: Any) -> None:
    fill(new, new)
    store(new, "x" * 2_000_000)
    chord_id = begin_chord(new)
    count = result_inventory(new)
    assert count is not None
    assert count.results == {"SUCCESS": 6, "FAILURE": 1, "PROGRESS": 1}
    assert (count.groups, count.without_ttl) == (1, 0)
    assert count.seconds_left == pytest.approx(86_400, abs=10)
    assert count.chords == {chord_id: (0, 3)}


def test_of_two_the_old_one_is_counted(
    redis: RedisServer, aws_environment: AwsEnvironment, old: Any
) -> None:
    both = app_of(
        "celery_aws.migrate:ResultBackend",
        result_backend_transport_options={
            "new_backend": aws_environment.celery_config()["result_backend"],
            "old_backend": redis.url(1),
        },
    )
    store(old, 1)
    store(both, 2)
    count = result_inventory(both)
    assert count is not None
    assert count.results == {"SUCCESS": 1}


def test_others_cannot_be_counted() -> None:
    assert result_inventory(app_of("cache+memory://")) is None
