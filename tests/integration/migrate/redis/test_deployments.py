"""A source finds its Redis as kombu does, and uses nothing that a hosted one forbids."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from celery_aws.errors import BrokerLostError, ConfigurationError
from celery_aws.migrate.messages import Carried
from celery_aws.migrate.redis.inventory import redis_inventory
from celery_aws.migrate.redis.server import RIGHTS
from tests.integration.migrate.redis.deployments import (
    ALL_SLOTS,
    cluster_node,
    give_slots,
    introduce,
    replica_of,
    sentinel_of,
    tls_server,
    wait_for_cluster,
)
from tests.integration.migrate.redis.old_side import (
    app_on,
    client_of,
    everything,
    ids_of,
    leftovers,
    publish,
    source_of,
    taken_by_a_worker,
    target_of,
)
from tests.servers import RedisServer, redis_server

TAGGED = {"broker_transport_options": {"global_keyprefix": "{shop}:"}}


def check_all_moves(app: Any) -> None:
    """Fail unless tasks that the app publishes are counted, moved and put back."""
    ids = publish(app, 12, priority=5)
    [count] = redis_inventory(app).queues
    assert count.waiting == {3: 12}
    source = source_of(app)
    source.give_back(source.claim(10))
    claims = everything(source)
    source.close()
    assert ids_of(claims) == ids
    target_of(app).send([each.message for each in claims if isinstance(each.message, Carried)])
    again = source_of(app, run="again")
    assert ids_of(everything(again)) == ids
    again.close()


def test_tls(tmp_path: Path) -> None:
    with tls_server(tmp_path) as (address, certificate):
        query = f"ssl_cert_reqs=required&ssl_ca_certs={certificate}"
        check_all_moves(app_on(f"rediss://{address}/0?{query}"))

        with pytest.raises(BrokerLostError, match=r"(?i)certificate"):
            source_of(app_on(f"rediss://{address}/0?ssl_cert_reqs=required")).claim(1)


def test_a_socket(tmp_path: Path) -> None:
    path = tmp_path / "redis.sock"
    with redis_server("--unixsocket", str(path)):
        check_all_moves(app_on(f"redis+socket://{path}"))


def test_a_database_and_a_password() -> None:
    with redis_server("--requirepass", "secret") as server:
        check_all_moves(app_on(f"redis://:secret@127.0.0.1:{server.port}/3"))

        with pytest.raises(ConfigurationError, match="user and password") as refused:
            source_of(app_on(f"redis://:wrong@127.0.0.1:{server.port}/3")).claim(1)
        assert "wrong" not in str(refused.value)


def test_the_rights_that_are_named_are_enough(redis: RedisServer) -> None:
    admin: Any = client_of(redis)
    forbidden = ["-client", "-info", "-config", "-keys", "-eval", "-evalsha", "-wait"]
    admin.execute_command("ACL", "SETUSER", "mover", "on", ">secret", *RIGHTS.split(), *forbidden)
    app = app_on(f"redis://mover:secret@127.0.0.1:{redis.port}/0")

    check_all_moves(app)

    # brpop is what workers do, and not we.
    publish(app, 3)
    with taken_by_a_worker(app_on(redis.url()), "celery", 2):
        pass
    assert len(everything(source_of(app, take_held=True, run="held"))) == 3
    assert redis_inventory(app).server == "Redis (its version may not be asked for)"


def test_a_right_that_is_missing_is_named_with_all_that_are_needed(redis: RedisServer) -> None:
    admin: Any = client_of(redis)
    rights = [*RIGHTS.split(), "-rpoplpush"]
    admin.execute_command("ACL", "SETUSER", "mover", "on", ">secret", *rights)
    app = app_on(f"redis://mover:secret@127.0.0.1:{redis.port}/0")
    publish(app)

    with pytest.raises(ConfigurationError, match="rpoplpush"):
        source_of(app).claim(1)
    assert admin.llen("celery") == 1


def test_a_full_server_is_told_what_to_do(redis: RedisServer) -> None:
    app = app_on(redis.url())
    publish(app)
    admin = client_of(redis)
    admin.config_set("maxmemory", "1")

    with pytest.raises(ConfigurationError, match="raise maxmemory"):
        source_of(app).claim(1)
    admin.config_set("maxmemory", "0")
    assert len(source_of(app).claim(1)) == 1


def test_sentinels(redis: RedisServer, tmp_path: Path) -> None:
    with sentinel_of(redis, tmp_path) as port:
        options = {"master_name": "shop"}
        check_all_moves(app_on(f"sentinel://127.0.0.1:{port}/0", broker_transport_options=options))


def test_a_claim_waits_for_a_replica(caplog: pytest.LogCaptureFixture) -> None:
    at_once = ("--repl-diskless-sync-delay", "0")
    with redis_server(*at_once) as master, replica_of(master) as replica:
        app = app_on(master.url())
        publish(app, 30)
        source = source_of(app)
        source.claim(10)
        claimed = "celery-aws.migration.claimed.run.celery"
        assert client_of(replica).llen(claimed) == 10
        assert caplog.text == ""

        os.kill(replica.pid, signal.SIGSTOP)
        try:
            assert len(source.claim(10)) == 10
        finally:
            os.kill(replica.pid, signal.SIGCONT)
        assert "no replica has what was claimed" in caplog.text


def test_a_failover_is_a_lost_connection(redis: RedisServer) -> None:
    app = app_on(redis.url())
    ids = publish(app, 3)
    source = source_of(app)
    first = source.claim(1)
    client = client_of(redis)
    client.config_set("replica-serve-stale-data", "yes")
    client.replicaof("127.0.0.1", "1")

    with pytest.raises(BrokerLostError, match="ReadOnly"):
        source.commit(first)
    with pytest.raises(BrokerLostError, match="ReadOnly"):
        source.claim(1)

    client.replicaof("NO", "ONE")
    source.commit(first)
    assert ids_of(everything(source)) == ids[1:]
    source.close()
    assert leftovers(client) == []


def test_a_cluster_s_only_node() -> None:
    with cluster_node() as server:
        give_slots(server)
        wait_for_cluster(server)
        check_all_moves(app_on(server.url(), **TAGGED))
        assert leftovers(client_of(server)) == [b"{shop}:celery-aws.migration.received"]


def test_a_cluster_s_node_that_has_the_slot_is_found() -> None:
    with cluster_node() as one, cluster_node() as two:
        client: Any = client_of(one)
        slot = client.execute_command("CLUSTER", "KEYSLOT", "{shop}:celery")
        halves = [(0, ALL_SLOTS // 2 - 1), (ALL_SLOTS // 2, ALL_SLOTS - 1)]
        for server, half in zip((one, two), halves, strict=True):
            give_slots(server, *half)
        introduce(one, two)
        wait_for_cluster(one, two)
        owner, other = (one, two) if slot < ALL_SLOTS // 2 else (two, one)
        ids = publish(app_on(owner.url(), **TAGGED), 3)

        app = app_on(other.url(), **TAGGED)

        assert [count.messages for count in redis_inventory(app).queues] == [3]
        assert ids_of(everything(source_of(app))) == ids


def test_a_cluster_without_a_hash_tag_is_refused_with_the_remedy() -> None:
    with cluster_node() as server:
        give_slots(server)
        wait_for_cluster(server)

        with pytest.raises(ConfigurationError, match="global_keyprefix") as refused:
            source_of(app_on(server.url())).claim(1)
        assert refused.value.key == "global_keyprefix"
