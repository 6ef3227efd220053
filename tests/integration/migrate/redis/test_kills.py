"""Killed between any two commands, a source has lost nothing."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.integration.migrate.redis.claiming import DONE, lines
from tests.integration.migrate.redis.old_side import (
    app_on,
    client_of,
    publish,
    taken_by_a_worker,
)
from tests.servers import RedisServer

#: Beside the tasks: two entries that nothing tells apart.
POISON = b"\xff"

#: What one kill may double.
BATCH = 10

#: No move of so few messages takes so many commands.
NEVER = 10_000


class Mover:
    """The process that moves, in processes of its own."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def move(self, killed_at: int, moment: str) -> bool:
        """Move what is there; tell whether it was killed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{killed_at} {moment}\n")
        self._process.stdin.flush()
        code = int(self._process.stdout.readline())
        assert code in (DONE, -9)
        return code != DONE


@contextmanager
def mover(server: RedisServer, folder: Path) -> Iterator[Mover]:
    module = "tests.integration.migrate.redis.claiming"
    process = subprocess.Popen(
        [sys.executable, "-m", module, server.url(), str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
    )
    with process:
        yield Mover(process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(30) == 0


class Scene:
    """Messages that wait and that a killed worker held, the same ones for each round."""

    def __init__(self, server: RedisServer, folder: Path) -> None:
        app = app_on(server.url())
        self._client = client_of(server)
        self._folder = folder
        publish(app, 20, priority=0)
        publish(app, 5, priority=9)
        self._client.lpush("celery", POISON, POISON)
        with taken_by_a_worker(app, "celery", 4):
            pass
        self._keys: dict[bytes, Any] = {key: self._client.dump(key) for key in self._all_keys()}
        self.expected = Counter([*self._ids(), repr(POISON), repr(POISON)])

    def begin(self) -> None:
        """Put everything where it was."""
        self._client.flushdb()
        for key, value in self._keys.items():
            self._client.restore(key, 0, value)
        for name in ("sent", "journal"):
            (self._folder / name).unlink(missing_ok=True)

    def check(self, where: str) -> None:
        """Fail if a message is lost, too many are doubled, or anything is left."""
        sent = Counter(json.loads(line) for line in lines(self._folder / "sent"))
        assert not self.expected - sent, f"{where}: lost {self.expected - sent}"
        doubled = (sent - self.expected).total()
        assert doubled <= BATCH, f"{where}: doubled {sent - self.expected}"
        assert all(key.startswith(b"_kombu.binding") for key in self._all_keys()), where

    def _ids(self) -> list[str]:
        waiting = [*self._entries("celery"), *self._entries("celery\x06\x169")]
        held: Any = self._client.hvals("unacked")
        envelopes = [json.loads(raw) for raw in waiting if raw != POISON]
        envelopes += [json.loads(value)[0] for value in held]
        return [envelope["headers"]["id"] for envelope in envelopes]

    def _entries(self, name: str) -> list[bytes]:
        found: Any = self._client.lrange(name, 0, -1)
        return list(found)

    def _all_keys(self) -> list[bytes]:
        found: Any = self._client.keys("*")
        return list(found)


def test_no_kill_loses_a_message_or_doubles_more_than_one_batch(
    redis: RedisServer, tmp_path: Path
) -> None:
    scene = Scene(redis, tmp_path)
    assert scene.expected.total() == 27
    kills = 0
    with mover(redis, tmp_path) as moving:
        for moment in ("before", "after"):
            for number in range(1, NEVER):
                scene.begin()
                killed = moving.move(number, moment)
                if killed:
                    assert not moving.move(NEVER, moment)
                scene.check(f"killed {moment} command {number}")
                if not killed:
                    break
                kills += 1
    assert kills > 30
