"""The old broker's Redis: kombu's own connection, and a client that adds no prefix to keys.

kombu's channel knows how to connect (TLS, users, sentinels, sockets, credential providers) and how
keys are called. Its client puts the prefix before some commands only, so that ours is another one
on the same pool, and every key comes from :class:`~celery_aws.migrate.redis.layout.Layout`. No
command is used that a hosted Redis forbids: no CONFIG, KEYS, EVAL, DEBUG.

Cluster mode: kombu takes it for one server, which works as long as all its keys are in one slot. So
it does here, with the node that has the slot.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import redis
from redis import exceptions

from celery_aws.errors import BrokerLostError, CeleryAwsError, ConfigurationError
from celery_aws.migrate.old_app import address, old_connection
from celery_aws.migrate.redis.layout import Layout

logger = logging.getLogger(__name__)

#: What a migration needs, as ACL rules of Redis.
RIGHTS = (
    "+@connection +@transaction +exists +type +scan +llen +lindex +lrange +lpush +rpush +lrem "
    "+rpoplpush +hscan +hget +hdel +hset +hmget +zrem +smembers +sadd +srem +get +mget +set +del "
    "+expire +pttl +publish ~* &*"
)

#: How long a connection, and an answer, are waited for, unless the old app's transport options say
#: it. kombu waits for ever, and so would a migration of which a firewall has forgotten.
TIMEOUTS_SECONDS = {"socket_connect_timeout": 10.0, "socket_timeout": 30.0}

_FORBIDDEN = (exceptions.NoPermissionError,)
_REFUSED = (exceptions.AuthenticationError,)
_LOST = (exceptions.ConnectionError, exceptions.TimeoutError, OSError)

#: What another server is to be asked for: after a failover, or while slots move.
_ELSEWHERE = (
    exceptions.ReadOnlyError,
    exceptions.AskError,
    exceptions.ClusterDownError,
    exceptions.TryAgainError,
)

T = TypeVar("T")


class RedisServer:
    """A connection of one thread; nothing is opened before :meth:`open`.

    Attributes:
        client: of redis-py, without any prefix.
        layout: the names of the app's keys.
        channel: kombu's.
        source: the URL, without secrets.
    """

    def __init__(self, app: Any) -> None:
        self.client: Any = None
        self.layout = Layout()
        self.channel: Any = None
        self._app = app
        self._connection: Any = None
        self._node: Any = None
        self._is_stale = False
        self.source = address(app.connection_for_read().as_uri())

    def open(self) -> "RedisServer":
        """Connect, unless it is connected and has answered since.

        Raises:
            BrokerLostError: nobody answers.
            ConfigurationError: credentials, rights or the prefix are wrong.
        """
        if self.client is not None and not self._is_stale:
            return self
        self.close()
        self._connection = old_connection(self._app)
        self._connection.transport_options = {
            **TIMEOUTS_SECONDS,
            **self._connection.transport_options,
        }
        with self.answering():
            self.channel = self._connection.channel()
            self.layout = _layout_of(self.channel)
            self.client = self._client()
        self._is_stale = False
        return self

    def close(self) -> None:
        """Disconnect."""
        self.client = None
        if self._node is not None:
            self._node.disconnect()
            self._node = None
        if self._connection is not None:
            self._connection.release()
            self._connection = None

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Turn errors of redis-py and kombu into ours for the block.

        Raises:
            BrokerLostError: nobody answers.
            ConfigurationError: the server refuses; it says why, and what to do.
        """
        try:
            yield
        except CeleryAwsError:
            raise
        except _ELSEWHERE as error:
            raise self._loss(error) from error
        except (*_FORBIDDEN, *_REFUSED, exceptions.ResponseError) as error:
            raise self._refusal(error) from error
        except _LOST as error:
            raise self._loss(error) from error

    def permitted(self, ask: Callable[[], T]) -> T | None:
        """Return an answer, or None if the server does not allow the question."""
        try:
            return ask()
        except exceptions.ResponseError:
            return None

    def _client(self) -> Any:
        client = _client_on(self.channel.pool)
        layout = self.layout
        try:
            # In cluster mode, two keys that are not in one slot are refused.
            client.exists(layout.registry, layout.key(layout.unacked))
        except exceptions.MovedError as error:
            self._check_hash_tag(error)
            self._node = _pool_of_node(self.channel.pool, error)
            client = _client_on(self._node)
            client.exists(layout.registry)
        return client

    def _loss(self, error: Exception) -> BrokerLostError:
        # Perhaps another server has its name by now.
        self._is_stale = True
        return BrokerLostError(
            f"{self.source} does not answer: {type(error).__name__}: {error}. What was claimed "
            "stays claimed, and comes first the next time"
        )

    def _refusal(self, error: Exception) -> ConfigurationError:
        text = str(error)
        if isinstance(error, _FORBIDDEN):
            remedy = f"Allow the user what a migration needs: {RIGHTS}"
        elif isinstance(error, _REFUSED):
            remedy = "Check user and password of the old broker's URL"
        elif _is_cross_slot(error):
            return self._no_hash_tag(error)
        elif "maxmemory" in text:
            remedy = "It is full: raise maxmemory, which claiming a message needs a little of"
        else:
            remedy = "Nothing was taken by this command"
        return ConfigurationError(
            f"{self.source} refuses: {type(error).__name__}: {text}. {remedy}", where="--from"
        )

    def _check_hash_tag(self, error: Exception) -> None:
        _, opened, rest = self.layout.prefix.partition("{")
        if not opened or rest.find("}") < 1:
            raise self._no_hash_tag(error) from error

    def _no_hash_tag(self, error: Exception) -> ConfigurationError:
        return ConfigurationError(
            f"{self.source} is in cluster mode ({error}), and kombu's keys there are in several "
            "slots, which no transaction takes together. Set global_keyprefix to one with braces, "
            "such as '{celery}:', as the old workers need it too; or restore a backup into a Redis "
            "without cluster mode, and leave that",
            where="broker_transport_options",
            key="global_keyprefix",
        )


def _layout_of(channel: Any) -> Layout:
    prefix = channel.global_keyprefix or ""
    return Layout(
        prefix=prefix,
        separator=channel.sep,
        steps=tuple(channel.priority_steps),
        unacked=channel.unacked_key,
        unacked_index=channel.unacked_index_key,
        unacked_mutex=channel.unacked_mutex_key,
        binding=channel.keyprefix_queue % "",
    )


def _client_on(pool: Any) -> Any:
    # As kombu makes its own: a provider of credentials is asked by the client, too.
    provider = pool.connection_kwargs.get("credential_provider")
    more = {} if provider is None else {"credential_provider": provider}
    return redis.Redis(connection_pool=pool, **more)


def _pool_of_node(pool: Any, moved: Any) -> Any:
    where = {"host": moved.host or pool.connection_kwargs.get("host"), "port": moved.port}
    return redis.ConnectionPool(
        connection_class=pool.connection_class, **{**pool.connection_kwargs, **where}
    )


def _is_cross_slot(error: Exception) -> bool:
    return isinstance(error, exceptions.ClusterCrossSlotError) or "CROSSSLOT" in str(error)
