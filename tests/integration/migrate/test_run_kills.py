"""A migration that is killed again and again loses nothing, and no task runs twice.

Each trial: a mixture of every kind of message, ``migrate run`` killed at random moments, the last
one finished; then SQS is looked into, and a real worker executes all of it.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis as redis_client

from tests.integration.migrate.conftest import VirtualHost
from tests.integration.migrate.killed_runs import KillTrials, Trial
from tests.integration.migrate.local_account import LocalAccount, local_account
from tests.integration.migrate.mixture import Mixture
from tests.integration.workers.rounds import soak_rounds
from tests.servers import RedisServer

pytestmark = pytest.mark.worker

#: Messages and kills of each trial, and kills in all; and threads of each run.
SIZES = [
    pytest.param((200, 3, 2), 1, id="short"),
    pytest.param((1_000, 12, soak_rounds(300)), 1, marks=pytest.mark.soak, id="long"),
    pytest.param((1_000, 12, soak_rounds(60)), 4, marks=pytest.mark.soak, id="threads"),
]


@pytest.fixture
def account(tmp_path: Path) -> Iterator[LocalAccount]:
    with local_account(tmp_path / "aws") as running:
        yield running


@pytest.mark.parametrize(("size", "threads"), SIZES)
def test_nothing_is_lost_on_the_way_from_redis(
    account: LocalAccount,
    redis: RedisServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    size: tuple[int, int, int],
    threads: int,
) -> None:
    monkeypatch.setenv("SHOP_REDIS", redis.url())
    trials = KillTrials(account, tmp_path, "examples.migration.stages.before")
    with redis_client.Redis.from_url(redis.url()) as server:

        def poison(mixture: Mixture) -> None:
            server.lpush("shop:celery", b"no message at all")
            mixture.poison += 1

        def is_empty(trial: Trial) -> None:
            left = [key for key in server.scan_iter("shop:*") if server.type(key) == b"list"]
            if left:
                trial.problems.append(f"left in Redis: {left}")

        trials.run(*size, threads=threads, before=poison, after=is_empty)
    assert trials.bad() == []


@pytest.mark.parametrize(("size", "threads"), SIZES)
def test_nothing_is_lost_on_the_way_from_rabbitmq(
    account: LocalAccount,
    rabbit: VirtualHost,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    size: tuple[int, int, int],
    threads: int,
) -> None:
    monkeypatch.setenv("SHOP_RABBIT", rabbit.url)
    trials = KillTrials(account, tmp_path, "tests.integration.migrate.rabbit_before")
    trials.run(*size, threads=threads)
    assert trials.bad() == []
