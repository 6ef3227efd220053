"""Which of Celery's ways for workers to talk to each other are on."""

from typing import Any

import pytest
from celery.worker.consumer.gossip import Gossip
from celery.worker.consumer.mingle import Mingle

from tests.unit.broker.conftest import Connect
from tests.unit.broker.processes import TABLE


@pytest.mark.parametrize(
    ("options", "mingles", "gossips"),
    [
        ({}, True, False),
        ({"gossip": True}, True, True),
        ({"gossip": True, "coordination_table": False}, False, False),
    ],
)
def test_the_newest_transport_says_what_is_on(
    connect: Connect, options: dict[str, Any], mingles: bool, gossips: bool
) -> None:
    assert connect(**{"coordination_table": TABLE, **options}).transport

    assert ("aws" in Mingle.compatible_transports) is mingles
    assert ("aws" in Gossip.compatible_transports) is gossips
