"""``celery -A proj aws exporter``: what it takes, and one look; the rest is an integration test."""

import json
import socket

import pytest
from prometheus_client.parser import text_string_to_metric_families

from celery_aws.errors import AccessDeniedError
from tests.unit.cli.conftest import Shop

#: So that nobody waits for workers that are not there.
ONCE = ("exporter", "--once", "--inspect-interval", "0")


def test_one_look_as_prometheus_reads_it(shop: Shop) -> None:
    shop.send(0)
    ended = shop.run(*ONCE)
    assert ended.exit_code == 0, ended.output
    families = {each.name: each for each in text_string_to_metric_families(ended.stdout)}
    (sample,) = families["celery_queue_length"].samples
    assert (sample.labels, sample.value) == ({"queue_name": "celery"}, 1)


def test_a_look_that_was_refused_is_no_success(shop: Shop) -> None:
    shop.send(0)
    shop.sqs.faults.fail("GetQueueAttributes", AccessDeniedError("not yours"))
    ended = shop.run(*ONCE)
    assert ended.exit_code == 3
    assert "not yours" in ended.stderr
    assert "celery_aws_registered_workers" in ended.stdout


def test_one_look_as_json(shop: Shop) -> None:
    shop.send(0)
    ended = shop.run(*ONCE, "--json")
    found = json.loads(ended.stdout)["metrics"]
    assert {"name": "celery_queue_length", "labels": {"queue_name": "celery"}, "value": 1} in found


def test_without_a_coordination_table_there_are_queues(shop: Shop) -> None:
    shop.options(coordination_table=False)
    shop.send(0)
    ended = shop.run(*ONCE)
    assert "celery_queue_length" in ended.stdout
    assert "celery_aws_scheduled_tasks" not in ended.stdout
    refused = shop.run("exporter", "--port", "0")
    assert refused.exit_code == 2
    assert "--no-events" in refused.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["--json"],
        ["--interval", "0"],
        ["--port", "65536"],
        ["--dimension", "service"],
        ["--dimension", "queue_name=x"],
        ["--hosts", "some"],
        [each for n in range(30) for each in ("--dimension", f"d{n}=x")],
    ],
)
def test_what_makes_no_sense(shop: Shop, arguments: list[str]) -> None:
    assert shop.run("exporter", *arguments).exit_code == 2
    assert shop.sqs.calls == []


def test_a_port_that_is_anothers(shop: Shop) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        ended = shop.run("exporter", "--port", str(port))
    assert ended.exit_code == 2
    assert "cannot listen" in ended.stderr
