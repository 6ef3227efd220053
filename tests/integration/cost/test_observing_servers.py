"""A workload from the counters of a real Redis and a real RabbitMQ."""

import json
import threading
import time
from typing import Any

import pytest
from celery import Celery
from click.testing import CliRunner
from kombu import Connection

from celery_aws.cli.group import aws
from celery_aws.clock import SystemClock
from celery_aws.cost.observation import MONTH_SECONDS
from celery_aws.cost.rabbitmq_observation import observe_rabbitmq
from celery_aws.cost.redis_observation import observe_redis
from celery_aws.errors import NotObservedError
from tests.servers import rabbitmq_server, redis_server


def send(url: str, tasks: int) -> None:
    app = Celery(set_as_current=False, broker=url)
    with app.connection_for_write() as connection:
        for number in range(tasks):
            app.send_task("shop.mail", [number], connection=connection)
    app.close()


class SendingClock(SystemClock):
    """While somebody waits, tasks are sent."""

    def __init__(self, url: str, tasks: int, until: Any = None) -> None:
        self._url = url
        self._tasks = tasks
        self._until = until

    def sleep(self, seconds: float) -> None:
        send(self._url, self._tasks)
        if self._until is not None:
            self._until()
        super().sleep(seconds)


def test_redis_tells_without_a_key_being_looked_at() -> None:
    with redis_server() as server:
        clock = SendingClock(server.url(), 30)
        found = observe_redis(server.url(), seconds=0.2, clock=clock)
        assert found.workload["tasks"] == pytest.approx(30 * MONTH_SECONDS / found.seconds)
        with Connection(server.url()) as connection:
            commands = connection.default_channel.client.info("commandstats")
        assert not {"cmdstat_keys", "cmdstat_scan", "cmdstat_monitor"} & set(commands)
        with pytest.raises(NotObservedError, match="no task was sent"):
            observe_redis(server.url(), seconds=0.1, clock=SystemClock())
        ended = compare("--from", server.url(), clock_url=server.url())
        assert ended["observed"]["source"].startswith("redis://127.0.0.1")
        assert ended["workload"]["tasks"] == ended["observed"]["workload"]["tasks"]


def compare(*arguments: str, clock_url: str) -> Any:
    done = threading.Event()

    def send_on() -> None:
        while not done.wait(0.05):
            send(clock_url, 1)

    sender = threading.Thread(target=send_on)
    sender.start()
    try:
        ended = CliRunner().invoke(aws, ["cost", "compare", "--sample", "1", "--json", *arguments])
    finally:
        done.set()
        sender.join(30)
    assert ended.exit_code == 0, ended.output
    return json.loads(ended.stdout)


def test_a_redis_that_is_not_there_and_no_password_in_the_error() -> None:
    with pytest.raises(NotObservedError, match="does not tell its counters") as caught:
        observe_redis("redis://:hunter2@127.0.0.1:1/0", seconds=1, clock=SystemClock())
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_rabbitmq_tells_by_its_management_plugin() -> None:
    with rabbitmq_server() as server:
        management = f"http://127.0.0.1:{server.management_port}"

        def counted() -> None:
            # The plugin tells some seconds late.
            deadline = time.monotonic() + 30
            while time.monotonic() < deadline:
                try:
                    observe_rabbitmq(
                        server.url(), seconds=0, clock=SystemClock(), management_url=management
                    )
                except NotObservedError:
                    queue = queues(server.url(), management)
                    if queue.get("celery", 0) >= 20:
                        return
                time.sleep(0.2)
            raise AssertionError("the plugin never told of the tasks")

        clock = SendingClock(server.url(), 20, counted)
        found = observe_rabbitmq(
            server.url(), seconds=0.1, clock=clock, management_url=server.management_url
        )
        assert found.workload["tasks"] == pytest.approx(20 * MONTH_SECONDS / found.seconds)
        with pytest.raises(NotObservedError, match="does not tell of queues") as caught:
            observe_rabbitmq(
                "amqp://guest:hunter2@127.0.0.1:1//",
                seconds=0,
                clock=SystemClock(),
                management_url=management,
            )
        assert "401" in str(caught.value)
        assert "hunter2" not in str(caught.value)


def queues(url: str, management: str) -> dict[str, int]:
    from celery_aws.cost import rabbitmq_observation

    look = rabbitmq_observation._look(url, management)
    return {queue["name"]: rabbitmq_observation._published(queue) for queue in look()}
