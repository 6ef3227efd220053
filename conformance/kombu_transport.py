"""kombu's tests for every transport (t/integration/common.py), filled in for one of a broker's.

It is copied beside that file and run there. Priorities are tested as kombu tests those of Redis:
in both transports 0 is the highest, and ``drain_events`` brings one message.
"""

import json
import os
import uuid
from typing import Any
from urllib.parse import urlsplit

import kombu
import pytest
from t.integration.common import (
    BaseEventLoop,
    BaseExchangeTypes,
    BaseFailover,
    BaseMessage,
    BaseTimeToLive,
    BasicFunctionality,
)
from t.integration.test_redis import test_RedisPriority as RedisPriority

BROKER = os.environ["TEST_BROKER"]
DEAD_BROKER = os.environ["TEST_DEAD_BROKER"]
OPTIONS = json.loads(os.environ.get("CONFORMANCE_TRANSPORT_OPTIONS", "{}"))


@pytest.fixture
def connection() -> kombu.Connection:
    """A connection of this test: its queues are not those of another."""
    return connect(BROKER)


@pytest.fixture
def invalid_connection() -> kombu.Connection:
    """A connection that nobody answers."""
    return connect(DEAD_BROKER)


@pytest.fixture
def failover_connection() -> kombu.Connection:
    """A connection whose second broker answers.

    The first is given in parts: a test asks for its port, which kombu takes out of no URL with a
    plus in its scheme (kombu/connection.py, ``Connection.__init__``).
    """
    dead = urlsplit(DEAD_BROKER)
    return connect(
        dead.hostname,
        port=dead.port,
        userid=dead.username,
        password=dead.password,
        transport=dead.scheme,
        alternates=[DEAD_BROKER, BROKER],
    )


def connect(broker: str | None, **parts: Any) -> kombu.Connection:
    """Return a connection with queues of its own, to a URL or to a host with its other parts."""
    prefix = "global_keyprefix" if BROKER.startswith("redis") else "queue_name_prefix"
    options = {prefix: f"{uuid.uuid4().hex[:8]}-", **OPTIONS}
    return kombu.Connection(broker, transport_options=options, **parts)


class test_Basic(BasicFunctionality):
    """Connections, queues, SimpleQueue and SimpleBuffer."""


class test_Failover(BaseFailover):
    """A second URL for when the first does not answer."""


class test_ExchangeTypes(BaseExchangeTypes):
    """Direct, topic and fanout exchanges."""


class test_Priority(RedisPriority):
    """Priorities of messages."""


class test_Message(BaseMessage):
    """What can be done with a message."""


class test_TimeToLive(BaseTimeToLive):
    """Messages that expire."""


class test_EventLoop(BaseEventLoop):
    """Acknowledgements from other threads."""
