"""There and back and there again, each command killed anywhere: nothing is lost.

A real Redis and the in-memory AWS, so that a kill can be before and after any of their requests.
"""

import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.client import Pipeline

from celery_aws.cli.migrate_crossing import Crossing, move_messages
from celery_aws.cli.migrate_moving import Moving
from celery_aws.migrate import sqs_source
from celery_aws.migrate.destinations import Destinations
from celery_aws.migrate.inventory import Inventory
from celery_aws.migrate.sides import Source
from celery_aws.migrate.sqs_source import HIDDEN_SECONDS, SqsSource
from celery_aws.migrate.tally import Tally
from celery_aws.testing.clock import FakeClock
from tests.integration.migrate.redis.old_side import (
    CELERY,
    app_on,
    client_of,
    ids_of,
    publish,
    source_of,
)
from tests.integration.workers.rounds import soak_rounds
from tests.servers import RedisServer
from tests.unit.cli.conftest import Shop, shop
from tests.unit.conftest import bare_environment

__all__ = ["bare_environment", "shop"]

MOVING = Moving(
    threads=1,
    per_second=None,
    follow=False,
    take_held=False,
    even_if_alive=False,
    yes=True,
    as_json=False,
    messages=True,
    results=False,
)

REDIS, SQS = "redis://", "aws+sqs://"

COMMANDS = 10

#: What one kill may double.
BATCH = 10


class Killed(BaseException):
    """The process is no more: none of its requests is made any more."""


class Life:
    """How many requests a process lives for."""

    def __init__(self) -> None:
        self.points_left: int | None = None

    def mortal(self, request: Callable[..., Any]) -> Callable[..., Any]:
        """Return a request before and after which the process may be killed."""

        def asked(*arguments: Any, **options: Any) -> Any:
            self._point()
            answer = request(*arguments, **options)
            self._point()
            return answer

        return asked

    def _point(self) -> None:
        if self.points_left == 0:
            raise Killed
        if self.points_left is not None:
            self.points_left -= 1


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def life(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Life:
    # The clock stands still: a long poll of an empty queue would never end.
    monkeypatch.setattr(sqs_source, "WAIT_SECONDS", 0)
    found = Life()
    places: list[tuple[Any, tuple[str, ...]]] = [
        (Pipeline, ("execute",)),
        (Redis, ("execute_command",)),
        (shop.sqs, ("send_batch", "receive", "delete_batch", "change_visibility_batch")),
        (shop.tables, ("put_item", "delete_item", "write_batch", "get_item")),
    ]
    for where, names in places:
        for name in names:
            monkeypatch.setattr(where, name, found.mortal(getattr(where, name)))
    return found


@pytest.mark.parametrize(
    "seed",
    [
        *range(6),
        *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(6, soak_rounds(100))),
    ],
)
def test_killed_in_any_direction_nothing_is_lost(
    shop: Shop,
    redis: RedisServer,
    tmp_path: Path,
    clock: FakeClock,
    life: Life,
    seed: int,
) -> None:
    chance = random.Random(seed)
    old = app_on(redis.url())
    ids = {*publish(old, 15), *publish(old, 15, countdown=90_000)}
    sides = {REDIS: old, SQS: shop.app}
    killed_on_the_way_back = 0

    def move(source: str, points: int | None) -> None:
        target = SQS if source == REDIS else REDIS
        crossing = Crossing(
            source=sides[source],
            target=sides[target],
            inventory=Inventory(source=source, server="", queues=()),
            destinations=Destinations(moved={CELERY: CELERY}),
            target_address=target,
        )
        life.points_left = points
        with suppress(Killed):
            move_messages(crossing, MOVING, tmp_path / "journal.sqlite", Tally())
        nonlocal killed_on_the_way_back
        killed_on_the_way_back += life.points_left == 0 and source == SQS
        life.points_left = None
        # Its process is this one, and lives.
        for key in client_of(redis).keys("celery-aws.migration.run.*"):
            client_of(redis).delete(key)
        clock.sleep(HIDDEN_SECONDS + 1)

    for _ in range(COMMANDS):
        move(chance.choice([REDIS, SQS]), chance.randrange(160))
    last = chance.choice([REDIS, SQS])
    move(last, None)
    move(last, None)

    at: Source = source_of(old)
    if last == REDIS:
        at = SqsSource(shop.app, queues={CELERY: CELERY}, run="look")
    found = Counter(_all_of(at))
    assert set(found) == ids
    # Who is killed on the way back and goes forward at once, has a batch on both sides.
    assert sum(found.values()) - len(found) <= killed_on_the_way_back * BATCH


def _all_of(source: Source) -> list[str | None]:
    found: list[str | None] = []
    while claims := source.claim(10):
        found += ids_of(list(claims))
        source.commit(claims)
    source.close()
    return found
