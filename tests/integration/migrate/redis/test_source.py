import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from celery_aws.errors import BrokerLostError, RunIsAliveError
from celery_aws.migrate import transfer_batch
from celery_aws.migrate.messages import Carried
from celery_aws.migrate.redis.claims import Claims
from celery_aws.migrate.redis.layout import DEFAULT_SEPARATOR
from celery_aws.migrate.redis.owners import Owner
from celery_aws.migrate.redis.server import TIMEOUTS_SECONDS
from celery_aws.migrate.redis.source import RedisSource
from celery_aws.names import AmqpQueue
from tests.integration.migrate.redis.old_side import (
    CELERY,
    app_on,
    client_of,
    envelope_of,
    everything,
    ids_of,
    leftovers,
    publish,
    publish_to_topic,
    source_of,
    topic_app,
    unreadable,
)
from tests.servers import RedisServer
from tests.unit.migrate.worlds import World

ELSEWHERE = Owner(place="another machine", pid=1, started="1")

FORMATS = [
    (serializer, compression, protocol)
    for serializer in ("json", "pickle", "yaml", "msgpack")
    for compression in (None, "gzip", "bzip2")
    for protocol in (1, 2)
]


def test_every_format_keeps_its_body_and_headers(redis: RedisServer) -> None:
    for serializer, compression, protocol in FORMATS:
        app = app_on(redis.url(), task_protocol=protocol)
        publish(app, serializer=serializer, compression=compression)
    written = [json.loads(raw) for raw in client_of(redis).lrange("celery", 0, -1)[::-1]]

    claims = everything(source_of(app))

    assert len(claims) == len(FORMATS)
    assert [dict(envelope_of(claim)) for claim in claims] == written
    assert len({claim.message.key for claim in claims}) == len(FORMATS)
    assert client_of(redis).llen("celery") == 0


def test_messages_come_in_the_order_in_which_workers_would_get_them(redis: RedisServer) -> None:
    app = app_on(redis.url())
    last = publish(app, 3, priority=9)
    first = publish(app, 3, priority=0)
    second = publish(app, 3, priority=5)

    claims = source_of(app).claim(10)

    assert ids_of(claims) == [*first, *second, *last]
    assert [each.message.priority for each in claims if isinstance(each.message, Carried)] == [
        0
    ] * 3 + [5] * 3 + [9] * 3


def test_the_first_step_of_each_queue_comes_before_the_next_of_any(redis: RedisServer) -> None:
    app = app_on(redis.url(), broker_transport_options={"queue_order_strategy": "sorted"})
    later = publish(app, queue="a", priority=9)
    sooner = publish(app, queue="b", priority=0)

    assert ids_of(source_of(app, "b", "a").claim(10)) == [*sooner, *later]


def test_prefix_separator_and_steps_are_those_of_the_old_app(redis: RedisServer) -> None:
    options = {"global_keyprefix": "shop:", "sep": "::", "priority_steps": list(range(10))}
    app = app_on(redis.url(), broker_transport_options=options)
    ids = [publish(app, priority=priority)[0] for priority in range(10)]

    source = source_of(app)
    assert client_of(redis).exists("shop:celery::7")
    assert ids_of(source.claim(10)) == ids
    assert all(key.startswith(b"shop:") for key in leftovers(client_of(redis)))


def test_steps_that_are_not_configured_any_more_are_moved_too(redis: RedisServer) -> None:
    publish(app_on(redis.url()), priority=6)
    assert client_of(redis).exists(f"celery{DEFAULT_SEPARATOR}6")
    options = {"sep": ":", "priority_steps": [0, 5]}
    app = app_on(redis.url(), broker_transport_options=options)
    publish(app, priority=5)

    assert len(everything(source_of(app))) == 2


def test_a_topic_publish_is_a_message_in_each_of_its_queues(redis: RedisServer) -> None:
    app = topic_app(redis.url())
    publish_to_topic(app)

    claims = source_of(app, "video", "all").claim(10)

    assert {claim.message.queue for claim in claims} == {"video", "all"}
    assert len({claim.message.key for claim in claims}) == 2
    assert len(set(ids_of(claims))) == 1


def test_queues_that_were_not_named_are_not_touched(redis: RedisServer) -> None:
    app = app_on(redis.url())
    publish(app, 2, queue="other")

    assert source_of(app).claim(10) == []
    assert client_of(redis).llen("other") == 2


def test_a_queue_may_have_another_name_in_the_target(redis: RedisServer) -> None:
    app = app_on(redis.url())
    publish(app)

    [claim] = RedisSource(app, queues={CELERY: AmqpQueue("new")}, run="run").claim(10)

    assert claim.message.queue == "new"
    assert claim.message.key.startswith("celery/")


def test_entries_that_nobody_can_read_are_handed_on_as_they_are(redis: RedisServer) -> None:
    poison = [b"\xff\x00", b"\xff\x00", b"{}", b"", b"celery-aws/no label/"]
    app = app_on(redis.url())
    client_of(redis).lpush("celery", *poison)
    publish(app)

    claims = everything(source_of(app))

    assert unreadable(claims) == poison
    assert len(ids_of(claims)) == 1
    assert len({claim.message.key for claim in claims}) == len(claims)


def test_what_is_given_back_is_the_next_to_be_taken(redis: RedisServer) -> None:
    app = app_on(redis.url())
    client = client_of(redis)
    client.lpush("celery", b"no tag")
    ids = publish(app, 5)
    before = client.lrange("celery", 0, -1)
    source = source_of(app)

    claims = source.claim(4)
    source.give_back(claims)

    assert client.lrange("celery", 0, -1) == before
    assert ids_of(source.claim(10)) == ids


def test_committed_twice_is_committed_once(redis: RedisServer) -> None:
    app = app_on(redis.url())
    same = b"no tag"
    client_of(redis).lpush("celery", same, same)
    source = source_of(app)
    first = source.claim(1)
    second = source.claim(1)

    source.commit(first)
    source.commit(first)

    source.give_back(second)
    assert client_of(redis).lrange("celery", 0, -1) == [same]


def test_closing_gives_back_and_leaves_nothing(redis: RedisServer) -> None:
    app = app_on(redis.url())
    publish(app, 5)
    source = source_of(app)
    source.commit(source.claim(2))
    source.claim(2)

    source.close()

    assert client_of(redis).llen("celery") == 3
    assert leftovers(client_of(redis)) == []


def test_what_is_on_its_way_is_not_given_back_by_closing(redis: RedisServer) -> None:
    app = app_on(redis.url())
    ids = publish(app, 5)
    source = source_of(app)
    claims = source.claim(4)
    source.sending(claims[:3])
    source.give_back(claims[2:3])

    source.close()

    assert client_of(redis).llen("celery") == 3
    assert ids_of(source_of(app, run="next").recover(10)) == ids[:2]


def test_what_is_left_is_handed_out_again(redis: RedisServer) -> None:
    app = app_on(redis.url())
    ids = publish(app, 5)
    source = source_of(app)
    claims = source.claim(4)
    source.sending(claims)
    source.commit(claims[2:])

    assert source.leave(claims[:2])

    again = source.claim(10)
    assert ids_of(again) == ids[:2]
    assert all(claim.seen_before for claim in again)
    source.sending(again)
    source.commit(again)
    assert ids_of(source.claim(10)) == ids[4:]
    source.close()
    assert client_of(redis).llen("celery") == 1
    assert leftovers(client_of(redis)) == []


@pytest.mark.parametrize("refused", [False, True])
def test_a_run_that_follows_has_again_what_it_could_not_settle(
    redis: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: bool
) -> None:
    """Redis does not answer for as long as it is waited for, and then it does."""
    app = app_on(redis.url())
    publish(app, 5)
    world = World(tmp_path)
    world.refusals = 5 * refused
    outages = [30]

    def lost(real: Callable[..., None]) -> Callable[..., None]:
        def asked(*arguments: Any) -> None:
            if outages[0]:
                outages[0] -= 1
                raise BrokerLostError("nobody answers")
            real(*arguments)

        return asked

    for name in ("forget", "give_back"):
        monkeypatch.setattr(Claims, name, lost(getattr(Claims, name)))
    if refused:
        monkeypatch.setattr(transfer_batch, "PATIENCE_SECONDS", 0.0)
        outages[0] = 1
    monkeypatch.setattr(world, "source", lambda name: source_of(app, run=name))

    def stopped() -> bool:
        done = not client_of(redis).keys("*claimed*") and not client_of(redis).llen("celery")
        return done or len(world.clock.sleeps) > 200

    world.run(follow=True, stopped=stopped)

    assert leftovers(client_of(redis)) == []
    assert (len(world.received), set(world.received.values())) == (5, {1})


def test_a_run_that_was_killed_is_taken_over(redis: RedisServer) -> None:
    app = app_on(redis.url())
    ids = publish(app, 12)
    killed = source_of(app, run="killed", owner=ELSEWHERE)
    claims = killed.claim(12)
    killed.commit(claims[:2])
    client_of(redis).delete("celery-aws.migration.run.killed")

    source = source_of(app)
    first, second = source.recover(8), source.recover(8)

    assert ids_of([*first, *second]) == ids[2:]
    assert all(claim.seen_before for claim in [*first, *second])
    assert [claim.message.key for claim in [*first, *second]] == [
        claim.message.key for claim in claims[2:]
    ]
    assert source.recover(8) == []
    source.commit([*first, *second])
    source.close()
    assert leftovers(client_of(redis)) == []


def test_what_a_killed_run_could_not_be_told_apart_by_keeps_its_keys(redis: RedisServer) -> None:
    app = app_on(redis.url())
    client_of(redis).lpush("celery", b"same", b"same")
    killed = source_of(app, run="killed", owner=ELSEWHERE)
    keys = {claim.message.key for claim in killed.claim(10)}
    client_of(redis).delete("celery-aws.migration.run.killed")

    assert {claim.message.key for claim in source_of(app).recover(10)} == keys


def test_a_run_that_may_be_alive_is_not_taken_over(redis: RedisServer) -> None:
    app = app_on(redis.url())
    publish(app, 2)
    source_of(app, run="elsewhere", owner=ELSEWHERE).claim(1)

    with pytest.raises(RunIsAliveError, match="another machine") as refused:
        source_of(app).claim(1)

    assert 0 < refused.value.seconds_left <= 60
    assert client_of(redis).llen("celery") == 1


def test_threads_of_one_run_do_not_take_from_each_other(redis: RedisServer) -> None:
    app = app_on(redis.url())
    publish(app, 2)
    one, other = source_of(app, run="run-1"), source_of(app, run="run-2")
    one.claim(1)

    assert other.recover(10) == []
    assert len(other.claim(10)) == 1


def test_what_a_run_had_claimed_of_other_queues_stays_claimed(
    redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    app = app_on(redis.url())
    publish(app, queue="other")
    source_of(app, "other", run="killed", owner=ELSEWHERE).claim(1)
    client_of(redis).delete("celery-aws.migration.run.killed")

    assert source_of(app).recover(10) == []
    assert "queue other" in caplog.text
    assert len(source_of(app, "other").recover(10)) == 1


def test_a_thread_that_connects_again_goes_on_with_what_it_had(redis: RedisServer) -> None:
    app = app_on(redis.url())
    ids = publish(app, 3)
    lost = source_of(app)
    lost.claim(2)

    again = source_of(app)

    assert ids_of(again.recover(10)) == ids[:2]
    assert ids_of(again.claim(10)) == ids[2:]


@contextmanager
def answers_to_transactions_lost(source: RedisSource) -> Iterator[None]:
    """Let Redis carry out transactions of a source, and break the connection before the answer."""
    pool = source._server.channel.pool
    connection = pool.get_connection()
    pool.release(connection)
    read = connection.read_response

    def read_and_lose(*args: Any, **options: Any) -> Any:
        answer = read(*args, **options)
        if isinstance(answer, list):
            raise ConnectionResetError("lost")
        return answer

    connection.read_response = read_and_lose
    yield
    connection.read_response = read


def test_a_claim_whose_answer_was_lost_comes_with_the_next_one(redis: RedisServer) -> None:
    app = app_on(redis.url())
    ids = publish(app, 3)
    source = source_of(app)
    source.commit(source.claim(1))
    with answers_to_transactions_lost(source), pytest.raises(BrokerLostError):
        source.claim(1)

    claims = source.claim(10)

    assert ids_of(claims) == ids[1:2]
    assert claims[0].seen_before
    assert ids_of(source.claim(10)) == ids[2:]


def test_a_server_that_is_gone_is_a_connection_error(redis: RedisServer) -> None:
    app = app_on(f"redis://127.0.0.1:{redis.port}/0")
    app.conf.broker_url = "redis://127.0.0.1:1/0"
    app.conf.broker_read_url = "redis://127.0.0.1:1/0"

    with pytest.raises(BrokerLostError, match="does not answer"):
        source_of(app).claim(1)


def test_a_server_that_hangs_is_not_waited_for_for_ever(redis: RedisServer) -> None:
    source = source_of(app_on(redis.url()))
    source.claim(1)
    assert source._server.channel.socket_timeout == TIMEOUTS_SECONDS["socket_timeout"]
    options = {"socket_timeout": 0.5}
    impatient = source_of(app_on(redis.url(), broker_transport_options=options))
    impatient.claim(1)

    os.kill(redis.pid, signal.SIGSTOP)
    try:
        with pytest.raises(BrokerLostError, match="Timeout"):
            impatient.claim(1)
    finally:
        os.kill(redis.pid, signal.SIGCONT)
    assert impatient.claim(1) == []
