"""What workers of the old broker hold is taken when none is left, and not before."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from celery_aws.errors import WorkersAliveError
from celery_aws.local.output import ProcessOutput, spawn
from tests.integration.migrate.redis.old_side import (
    app_on,
    client_of,
    envelope_of,
    everything,
    ids_of,
    leftovers,
    publish,
    publish_to_topic,
    source_of,
    taken_by_a_worker,
    topic_app,
)
from tests.servers import RedisServer

PATIENCE_SECONDS = 60.0


@contextmanager
def worker(
    server: RedisServer, *arguments: str
) -> Iterator[tuple["subprocess.Popen[str]", ProcessOutput]]:
    """Run a stock worker, which is killed with the block."""
    command = [sys.executable, "-m", "celery", "-A", "tests.integration.migrate.redis.worked"]
    command += ["worker", "--pool=solo", "--loglevel=DEBUG", *arguments]
    process, output = spawn("old", command, {**os.environ, "OLD_BROKER": server.url()})
    try:
        yield process, output
    finally:
        process.kill()
        process.wait(PATIENCE_SECONDS)
        output.stop(PATIENCE_SECONDS)


def wait_for_brpop(server: RedisServer) -> None:
    """Wait until somebody waits for messages."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not any("b" in each["flags"] for each in client_of(server).client_list()):
        assert time.monotonic() < deadline, "nobody waits for messages"


# kombu 5.5 calls redis-py as it is not called any more.
@pytest.mark.filterwarnings("default:Call to 'get_connection'")
def test_what_a_killed_worker_held_is_moved_once_it_is_gone(redis: RedisServer) -> None:
    app = app_on(redis.url())
    ids = [str(app.send_task("old.sleep", (600,), countdown=3_600).id) for _ in range(3)]
    with worker(redis) as (process, output):
        assert output.wait_for(ids[-1], PATIENCE_SECONDS), output.tail()

        with pytest.raises(WorkersAliveError, match="old workers are alive") as refused:
            source_of(app, take_held=True).claim(10)
        assert len(refused.value.names) == 1

        process.send_signal(signal.SIGKILL)
        process.wait(PATIENCE_SECONDS)
    client = client_of(redis)
    assert client.hlen("unacked") == 3

    source = source_of(app, take_held=True)
    claims = source.claim(10)

    assert sorted(map(str, ids_of(claims))) == sorted(ids)
    assert all(claim.seen_before for claim in claims)
    for claim in claims:
        envelope = envelope_of(claim)
        assert envelope["headers"]["redelivered"] is True
        assert envelope["properties"]["delivery_info"]["redelivered"] is True
        assert envelope["headers"]["eta"]
    source.commit(claims)
    source.close()
    assert not client.exists("unacked", "unacked_index")
    assert leftovers(client) == []


def test_a_worker_that_does_not_answer_and_waits_is_seen(redis: RedisServer) -> None:
    app = app_on(redis.url())
    with worker(redis, "--without-gossip", "--without-mingle", "--concurrency=1") as (_, output):
        assert output.wait_for("ready", PATIENCE_SECONDS), output.tail()
        wait_for_brpop(redis)
        # What its own topic is called nobody knows here: another exchange hears nobody.
        app.conf.control_exchange = "other"

        with pytest.raises(WorkersAliveError, match="0 listen for commands, 1 wait for messages"):
            source_of(app, take_held=True).claim(10)
        assert source_of(app, take_held=True, even_if_alive=True).claim(10) == []


def test_what_waits_comes_after_what_was_held(redis: RedisServer) -> None:
    app = app_on(redis.url())
    ids = publish(app, 15)
    with taken_by_a_worker(app, "celery", 12):
        pass

    claims = everything(source_of(app, take_held=True))

    assert sorted(map(str, ids_of(claims[:12]))) == sorted(ids[:12])
    assert ids_of(claims[12:]) == ids[12:]


def test_what_was_held_and_is_given_back_is_in_its_queue(redis: RedisServer) -> None:
    app = app_on(redis.url())
    publish(app, priority=9)
    with taken_by_a_worker(app, "celery", 1):
        pass
    source = source_of(app, take_held=True)

    source.give_back(source.claim(10))

    assert client_of(redis).llen("celery\x06\x169") == 1
    assert not client_of(redis).exists("unacked")


def test_what_was_held_of_a_topic_goes_where_kombu_would_put_it(redis: RedisServer) -> None:
    app = topic_app(redis.url())
    task = publish_to_topic(app)
    client_of(redis).delete("all")
    with taken_by_a_worker(app, "video", 1):
        pass

    assert source_of(app, "video", take_held=True).claim(10) == []
    claims = source_of(app, "video", "all", take_held=True).claim(10)

    assert {claim.message.queue for claim in claims} == {"video", "all"}
    assert set(ids_of(claims)) == {task}


def test_what_nobody_can_read_or_route_stays_held(redis: RedisServer) -> None:
    app = app_on(redis.url())
    client = client_of(redis)
    client.hset("unacked", "poison", b"\xff")
    publish(app, queue="other")
    with taken_by_a_worker(app, "other", 1):
        pass

    assert source_of(app, take_held=True).claim(10) == []
    assert client.hlen("unacked") == 2
