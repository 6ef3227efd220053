"""Every state in which something of Celery's may be in Redis: what is told of it, and what moves.

One row a state: how it comes about, what the inventory says, and how many messages a run takes.
"""

import json
import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from redis import Redis

from celery_aws.migrate.inventory import Inventory, OtherKeys, QueueCount
from celery_aws.migrate.redis.inventory import redis_inventory
from celery_aws.names import AmqpQueue
from tests.integration.migrate.redis.old_side import (
    app_on,
    client_of,
    everything,
    publish,
    publish_to_topic,
    source_of,
    taken_by_a_worker,
    topic_app,
)
from tests.servers import RedisServer

PROCESS = "67288a62-27e1-39ec-8a49-573ace3f0d2d"


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One Redis, and what is under way."""

    url: str
    client: "Redis"
    open: ExitStack

    def app(self, **settings: Any) -> Any:
        return app_on(self.url, **settings)


@dataclass(frozen=True, kw_only=True)
class State:
    """One row.

    Attributes:
        name: of the state.
        make: brings it about, and returns the old app.
        waiting: messages of a queue by priority step.
        held: messages of a queue that workers hold.
        others: kinds of other keys, and whether they block.
        troubles: kinds of what cannot go as it is.
        moved: messages that a run takes.
        more: anything else that must be so.
    """

    name: str
    make: Callable[[Scene], Any]
    waiting: dict[str, dict[int, int]] = field(default_factory=dict)
    held: dict[str, int] = field(default_factory=dict)
    others: dict[str, bool] = field(default_factory=dict)
    troubles: list[str] = field(default_factory=list)
    moved: int = 0
    more: Callable[[Inventory], bool] = lambda _: True


def two_tasks(scene: Scene) -> Any:
    app = scene.app()
    publish(app, 2)
    return app


def undeclared(scene: Scene) -> Any:
    publish(scene.app(), queue="other")
    return scene.app()


def in_steps(scene: Scene) -> Any:
    app = scene.app()
    for priority in (0, 2, 5, 9, 9):
        publish(app, priority=priority)
    return app


def with_own_separator(scene: Scene) -> Any:
    app = scene.app(
        broker_transport_options={"sep": "::", "priority_steps": [0, 5], "global_keyprefix": "a[b]"}
    )
    scene.client.set("another app's", "1")
    publish(app, priority=7)
    return app


def in_forgotten_steps(scene: Scene) -> Any:
    publish(scene.app(), priority=6)
    return scene.app(broker_transport_options={"priority_steps": [0]})


def with_etas(scene: Scene) -> Any:
    app = scene.app()
    now = datetime.now(timezone.utc)
    publish(app, eta=now + timedelta(minutes=5))
    publish(app, countdown=7_200)
    publish(app, eta=now - timedelta(minutes=5))
    publish(scene.app(task_protocol=1), countdown=7_200)
    return app


def held_by_workers(scene: Scene) -> Any:
    app = scene.app()
    publish(app, 3)
    scene.open.enter_context(taken_by_a_worker(app, "celery", 2))
    return app


def held_from_a_topic(scene: Scene) -> Any:
    app = topic_app(scene.url)
    publish_to_topic(app)
    scene.open.enter_context(taken_by_a_worker(app, "video", 1))
    return app


def held_from_nowhere(scene: Scene) -> Any:
    app = held_from_a_topic(scene)
    scene.client.delete("_kombu.binding.media", "all")
    scene.client.hset("unacked", "poison", b"\xff")
    return app


def being_restored(scene: Scene) -> Any:
    scene.client.set("unacked_mutex", "token", ex=300)
    return scene.app()


def restored_at_shutdown(scene: Scene) -> Any:
    app = scene.app()
    publish(app)
    with app.connection_for_read() as connection:
        connection.channel().basic_get("celery")
    assert b'"redelivered": true' in scene.client.lindex("celery", 0)  # type: ignore[operator]
    return app


def bound(scene: Scene) -> Any:
    topic_app(scene.url)
    scene.client.sadd("_kombu.binding_permanent.old", "a\x06\x16\x06\x16b")
    scene.client.zadd("_kombu.binding_deadlines", {"old": 1.0})
    return scene.app()


def controlled(scene: Scene) -> Any:
    app = scene.app()
    for exchange in ("celery.pidbox", "celeryev", "reply.celery.pidbox"):
        scene.client.sadd(f"_kombu.binding.{exchange}", "\x06\x16\x06\x16queue")
    reply = json.dumps({"body": "", "headers": {}, "properties": {"delivery_tag": "1"}})
    scene.client.lpush(f"{PROCESS}.reply.celery.pidbox", reply)
    return app


def with_rpc_results(scene: Scene) -> Any:
    result = {"body": "e30=", "headers": {}, "properties": {"delivery_tag": "1"}}
    scene.client.lpush(PROCESS, json.dumps(result))
    return scene.app()


def scheduled_by_redbeat(scene: Scene) -> Any:
    scene.client.hset("redbeat:every-minute", mapping={"definition": "{}", "meta": "{}"})
    scene.client.zadd("redbeat::schedule", {"redbeat:every-minute": 1.0})
    scene.client.sadd("redbeat::statics", "every-minute")
    scene.client.set("redbeat::lock", "token")
    return scene.app()


def locked_by_celery_once(scene: Scene) -> Any:
    scene.client.set("qo_old.add_x-1", "uuid", ex=3_600)
    return scene.app()


def with_results(scene: Scene) -> Any:
    for name in ("celery-task-meta-1", "rp_celery-task-meta-2", "celery-taskset-meta-3.s"):
        scene.client.set(name, "{}")
    scene.client.zadd("celery-taskset-meta-3.j", {"[]": 1.0})
    return scene.app()


def somebody_else_s(scene: Scene) -> Any:
    scene.client.set("cache:1", "x")
    scene.client.lpush("a list", "of something")
    scene.client.set(b"\xff\xfe", "no text")
    return scene.app()


def poisoned(scene: Scene) -> Any:
    scene.client.lpush("celery", b"\xff", b"{}")
    app = scene.app()
    publish(app)
    return app


def too_large(scene: Scene) -> Any:
    app = scene.app()
    app.send_task("old.add", (os.urandom(600_000).hex(),))
    return app


def claimed_by_a_killed_run(scene: Scene) -> Any:
    app = scene.app()
    publish(app, 3)
    source_of(app, run="killed").claim(2)
    return app


def all_claimed_of_an_undeclared_queue(scene: Scene) -> Any:
    app = scene.app()
    publish(app, queue="other")
    source_of(app, "other", run="killed").claim(10)
    return scene.app()


STATES = [
    State(name="nothing", make=lambda scene: scene.app(), waiting={"celery": {}}),
    State(name="list", make=two_tasks, waiting={"celery": {0: 2}}, moved=2),
    State(name="priority steps", make=in_steps, waiting={"celery": {0: 2, 3: 1, 9: 2}}, moved=5),
    State(
        name="sep, steps and prefix of the app's own",
        make=with_own_separator,
        waiting={"celery": {5: 1}},
        moved=1,
    ),
    State(
        name="steps that are not configured any more",
        make=in_forgotten_steps,
        waiting={"celery": {6: 1}},
        moved=1,
        more=lambda found: "priority steps [6]" in found.notes[0],
    ),
    State(
        name="a queue that the app does not declare",
        make=undeclared,
        waiting={"celery": {}, "other": {0: 1}},
        moved=1,
        more=lambda found: "does not declare other" in found.notes[0],
    ),
    State(
        name="etas",
        make=with_etas,
        waiting={"celery": {0: 4}},
        moved=4,
        more=lambda found: (
            (count := queue(found, "celery")).with_eta == 3
            and count.with_far_eta == 2
            and 7_000 < (count.latest_eta_seconds or 0) <= 7_200
        ),
    ),
    State(
        name="unacked",
        make=held_by_workers,
        waiting={"celery": {0: 1}},
        held={"celery": 2},
        moved=1,
    ),
    State(
        name="unacked from a topic",
        make=held_from_a_topic,
        waiting={"video": {}, "all": {0: 1}},
        # kombu would put it back into both.
        held={"video": 1, "all": 1},
        others={"binding": False},
        moved=1,
    ),
    State(
        name="unacked that lead nowhere",
        make=held_from_nowhere,
        waiting={"video": {}, "all": {}},
        others={"unacked": True},
    ),
    State(name="unacked_mutex", make=being_restored, waiting={"celery": {}}),
    State(name="restored", make=restored_at_shutdown, waiting={"celery": {0: 1}}, moved=1),
    State(name="bindings", make=bound, waiting={"celery": {}}, others={"binding": False}),
    State(name="control", make=controlled, waiting={"celery": {}}, others={"control": False}),
    State(
        name="results by rpc://",
        make=with_rpc_results,
        waiting={"celery": {}},
        others={"control": False},
    ),
    State(
        name="redbeat",
        make=scheduled_by_redbeat,
        waiting={"celery": {}},
        others={"schedule": True},
    ),
    State(
        name="celery-once",
        make=locked_by_celery_once,
        waiting={"celery": {}},
        others={"lock": True},
    ),
    State(name="results and chords", make=with_results, waiting={"celery": {}}),
    State(
        name="unknown",
        make=somebody_else_s,
        waiting={"celery": {}},
        others={"unknown": True},
        more=lambda found: found.others[0].count == 3,
    ),
    State(
        name="unreadable",
        make=poisoned,
        waiting={"celery": {0: 3}},
        troubles=["unreadable"],
        moved=3,
    ),
    State(
        name="oversize",
        make=too_large,
        waiting={"celery": {0: 1}},
        troubles=["oversize"],
        moved=1,
    ),
    State(
        name="claimed",
        make=claimed_by_a_killed_run,
        waiting={"celery": {0: 1}},
        moved=1,
        more=lambda found: found.claimed == 2,
    ),
    State(
        name="claimed, and nothing left beside it",
        make=all_claimed_of_an_undeclared_queue,
        waiting={"celery": {}, "other": {}},
        more=lambda found: found.claimed == 1,
    ),
]


def queue(inventory: Inventory, name: str) -> QueueCount:
    return next(count for count in inventory.queues if count.queue == name)


def kinds(others: tuple[OtherKeys, ...]) -> dict[str, bool]:
    return {each.kind: each.blocks for each in others}


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.name)
def test_a_state_is_told_and_only_messages_are_moved(redis: RedisServer, state: State) -> None:
    client = client_of(redis)
    with ExitStack() as stack:
        app = state.make(Scene(url=redis.url(), client=client, open=stack))
        before = {key: client.dump(key) for key in client.keys("*")}

        found = redis_inventory(app)

        assert {key: client.dump(key) for key in client.keys("*")} == before
        # Bindings come with every declared queue, and say nothing of most states.
        others = {kind: blocks for kind, blocks in kinds(found.others).items() if kind != "binding"}
        if "binding" in state.others:
            others["binding"] = kinds(found.others)["binding"]
        # Celery 5.5 adds the default queue to those that an app declares.
        assert {
            count.queue: dict(count.waiting)
            for count in found.queues
            if count.waiting or count.queue in state.waiting
        } == state.waiting
        assert {count.queue: count.held for count in found.queues if count.held} == state.held
        assert others == state.others
        assert [each.kind for count in found.queues for each in count.troubles] == state.troubles
        assert state.more(found)

        names = [count.queue for count in found.queues]
        assert len(everything(source_of(app, *names))) == state.moved
        gone = {key for key in before if not client.exists(key)}
        assert all(any(name.encode() in key for name in state.waiting) for key in gone)


def test_where_it_is_is_told_without_its_password(redis: RedisServer) -> None:
    client_of(redis).config_set("requirepass", "secret")
    app = app_on(f"redis://:secret@127.0.0.1:{redis.port}/0")

    found = redis_inventory(app)

    assert "secret" not in repr(found)
    assert found.server.startswith("Redis ")


def test_only_what_was_asked_for_is_looked_at(redis: RedisServer) -> None:
    app = app_on(redis.url())
    publish(app, queue="a")
    publish(app, queue="b")

    found = redis_inventory(app, queues=[AmqpQueue("a")], look=False)

    assert [count.queue for count in found.queues] == ["a"]
    assert (found.queues[0].messages, found.queues[0].bytes) == (1, None)


def test_more_messages_than_a_page_are_each_looked_at_once(redis: RedisServer) -> None:
    app = app_on(redis.url())
    publish(app, 253)
    entries: Any = client_of(redis).lrange("celery", 0, -1)

    [count] = redis_inventory(app).queues

    assert count.messages == 253
    assert count.bytes == sum(len(entry) for entry in entries)
