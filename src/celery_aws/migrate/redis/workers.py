"""Whether any worker of the old broker lives, by three signs that none of them can hide together.

* How many listen for control commands: what PUBLISH returns. The message is empty, and kombu passes
  over it. A worker in the middle of a cutover listens, though its replies go to the new broker.
* Who answers a ping, for the names.
* Who waits for a message (a client in BRPOP), where CLIENT LIST is allowed.

Facts: kombu/transport/redis.py (``_receive_one``: ``if payload['data']``; ``_brpop_start``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from celery_aws.errors import WorkersAliveError
from celery_aws.migrate.redis.server import RedisServer

#: How long workers have to answer a ping.
PING_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class SignsOfLife:
    """What was seen of old workers.

    Attributes:
        listening: connections that hear control commands; None if that may not be asked.
        names: of workers that answered a ping.
        waiting: connections that wait for messages of this database; None likewise.
    """

    listening: int | None
    names: tuple[str, ...]
    waiting: int | None

    @property
    def alive(self) -> bool:
        """Whether any worker is."""
        return bool(self.listening or self.names or self.waiting)


def signs_of_life(app: Any, server: RedisServer) -> SignsOfLife:
    """Look for workers. A few commands; the ping takes its two seconds only if it may be answered.

    Args:
        app: the old one.
        server: its broker, open.
    """
    listening = _listening(app, server)
    return SignsOfLife(
        listening=listening,
        names=() if listening == 0 else _answering(app),
        waiting=_waiting(server),
    )


def listeners(app: Any, server: RedisServer) -> int | None:
    """Return how many may be workers, as far as the server tells; None if it tells nothing.

    Args:
        app: the old one.
        server: its broker, open.
    """
    seen = [each for each in (_listening(app, server), _waiting(server)) if each is not None]
    return max(seen, default=None)


def refuse_if_alive(app: Any, server: RedisServer) -> None:
    """Do nothing if no old worker lives.

    Raises:
        WorkersAliveError: one does.
    """
    signs = signs_of_life(app, server)
    if not signs.alive:
        return
    who = f": {', '.join(signs.names)}" if signs.names else ""
    seen = f"{signs.listening or 0} listen for commands, {signs.waiting or 0} wait for messages"
    raise WorkersAliveError(
        f"{server.source}: old workers are alive{who} ({seen}). What they hold they finish, or "
        "give back when they are stopped warm (SIGTERM): stop them first. If these are workers of "
        "another app in the same database, and all of this one's are gone, say so "
        "(--even-if-alive): tasks that are running would run twice",
        names=signs.names,
    )


def _listening(app: Any, server: RedisServer) -> int | None:
    channel, exchange = server.channel, app.control.mailbox.exchange.name
    topics: Sequence[str] = (
        channel._get_publish_topics(exchange, "")  # noqa: SLF001 - kombu 5.7 has several
        if hasattr(channel, "_get_publish_topics")
        else [channel._get_publish_topic(exchange, "")]  # noqa: SLF001
    )
    layout = server.layout
    return server.permitted(
        lambda: sum(server.client.publish(layout.key(topic), b"") for topic in topics)
    )


def _answering(app: Any) -> tuple[str, ...]:
    # On a connection of its own: until it is closed, who waits for replies is a client in BRPOP.
    with app.connection_for_write() as connection:
        replies = app.control.ping(timeout=PING_SECONDS, connection=connection) or []
    return tuple(sorted({str(name) for reply in replies for name in reply}))


def _waiting(server: RedisServer) -> int | None:
    clients = server.permitted(server.client.client_list)
    if clients is None:
        return None
    database = str(server.channel.pool.connection_kwargs.get("db") or 0)
    return sum(1 for each in clients if _is_waiting(each) and each.get("db") == database)


def _is_waiting(client: Mapping[str, str]) -> bool:
    """Tell whether a client waits in BRPOP now, and has not only done so last."""
    return client.get("cmd") == "brpop" and "b" in client.get("flags", "")
