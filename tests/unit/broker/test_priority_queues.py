"""Queues with priorities, through the directory and the channel, on SQS in memory."""

from typing import Any

import pytest
from amqp.exceptions import NotFound
from kombu import Exchange, Queue

from celery_aws.errors import QueueNotFoundError
from celery_aws.names import AmqpQueue, QueueName
from celery_aws.testing.clock import FakeClock
from celery_aws.testing.memory_sqs import MemorySqs
from tests.unit.broker.conftest import QUEUE, Bench, Client, Connect

STEPS = [0, 3, 6, 9]
QUEUES = ["celery", "celery-priority-3", "celery-priority-6", "celery-priority-9"]
URL = "https://sqs.eu-west-1.amazonaws.com/000000000000/"


class TestDirectory:
    def queues(self, bench: Bench, queue: str = QUEUE, **options: Any) -> list[AmqpQueue]:
        return bench.new_directory(**options).priority_queues(AmqpQueue(queue))

    def test_a_queue_has_none_unless_asked_for(self, bench: Bench) -> None:
        assert self.queues(bench) == [QUEUE]

    def test_the_option_gives_them_to_all_queues(self, bench: Bench) -> None:
        assert self.queues(bench, priority_steps=STEPS) == QUEUES
        assert self.queues(bench, priority_steps=STEPS, highest_priority=9) == QUEUES[::-1]

    @pytest.mark.parametrize(
        "queue", ["celery-priority-3", "celery-dead-letter", "a-priority-9.fifo"]
    )
    def test_but_not_to_the_queues_that_serve_them(self, bench: Bench, queue: str) -> None:
        assert self.queues(bench, queue, priority_steps=STEPS) == [queue]

    def test_the_highest_priority_gives_them_to_one_queue(self, bench: Bench) -> None:
        bench.directory.set_max_priority(QUEUE, 5)

        assert bench.directory.priority_queues(QUEUE) == QUEUES[:2]
        assert bench.directory.priority_queues(AmqpQueue("other")) == ["other"]

    def test_it_cuts_the_steps_of_the_option(self, bench: Bench) -> None:
        directory = bench.new_directory(priority_steps=[0, 1, 2], highest_priority=9)
        directory.set_max_priority(QUEUE, 1)

        assert directory.priority_queues(QUEUE) == ["celery-priority-1", "celery"]

    def test_all_of_them_share_one_dead_letter_queue(self, bench: Bench) -> None:
        bench.new_directory(priority_steps=STEPS, queue_name_prefix="hoge-").declare(QUEUE)

        dead = bench.sqs.queue_url(QueueName("hoge-celery-dead-letter"))
        arn = bench.sqs.queue_attributes(dead, ["QueueArn"])["QueueArn"]
        for queue in QUEUES:
            url = bench.sqs.queue_url(QueueName(f"hoge-{queue}"))
            assert arn in bench.sqs.queue_attributes(url, ["RedrivePolicy"])["RedrivePolicy"]

    def test_a_queue_that_only_looks_like_a_step_has_its_own(self, bench: Bench) -> None:
        bench.directory.declare(AmqpQueue("celery-priority-3"))

        assert bench.sqs.queue_url(QueueName("celery-priority-3-dead-letter"))

    def test_predefined_queues_must_name_each_step(self, bench: Bench) -> None:
        predefined = {name: {"url": URL + name} for name in QUEUES[:2]}
        directory = bench.new_directory(priority_steps=STEPS, predefined_queues=predefined)

        with pytest.raises(QueueNotFoundError, match="predefined: celery-priority-6, celery-pri"):
            directory.declare(QUEUE)

        assert bench.sqs.calls == []

    def test_predefined_queues_that_name_them_all_are_used(self, bench: Bench) -> None:
        predefined = {name: {"url": URL + name} for name in QUEUES}
        directory = bench.new_directory(priority_steps=STEPS, predefined_queues=predefined)

        directory.declare(QUEUE)

        addresses = [directory.address(each).url for each in directory.priority_queues(QUEUE)]
        assert addresses == [URL + name for name in QUEUES]


class TestChannel:
    @pytest.fixture
    def client(self, connect: Connect, sqs: MemorySqs, clock: FakeClock) -> Client:
        return Client(connect(priority_steps=STEPS), sqs, clock)

    def kept(self, client: Client) -> list[int]:
        return [client.kept(QueueName(name)) for name in QUEUES]

    def publish_to_all(self, client: Client) -> None:
        """Send two messages to the queue itself, and one to each other."""
        for priority in (9, 0, 3, 6, None):
            client.publish(f"priority {priority}", priority=priority)

    def test_a_message_goes_to_its_step(self, client: Client) -> None:
        self.publish_to_all(client)

        assert self.kept(client) == [2, 1, 1, 1]

    def test_a_declared_queue_has_all_its_queues(self, client: Client) -> None:
        client.channel.queue_declare("celery")

        assert all(client.sqs.queue_url(QueueName(name)) for name in QUEUES)

    def test_priorities_come_with_the_declaration(self, connect: Connect, client: Client) -> None:
        plain = Client(connect(), client.sqs, client.clock)
        Queue("mail", Exchange("mail"), routing_key="mail", max_priority=5)(plain.channel).declare()

        for priority in (2, 5):
            plain.publish(queue="mail", exchange="mail", priority=priority)

        assert plain.kept(QueueName("mail")) == plain.kept(QueueName("mail-priority-3")) == 1

    def test_counts_are_of_all(self, client: Client) -> None:
        self.publish_to_all(client)

        assert client.channel.queue_declare("celery", passive=True).message_count == 5

    def test_a_missing_one_is_not_found(self, client: Client) -> None:
        client.sqs.create_queue(QueueName("celery"), {}, {})

        with pytest.raises(NotFound, match="celery-priority-3"):
            client.channel.queue_declare("celery", passive=True)

    def test_purging_is_of_all(self, client: Client) -> None:
        self.publish_to_all(client)

        assert client.channel.queue_purge("celery") == 5
        assert self.kept(client) == [0, 0, 0, 0]

    def test_deleting_is_of_all(self, client: Client) -> None:
        self.publish_to_all(client)
        client.channel.queue_delete("celery", if_empty=True)
        assert self.kept(client) == [2, 1, 1, 1]

        client.channel.queue_delete("celery")

        for name in QUEUES:
            with pytest.raises(QueueNotFoundError):
                client.sqs.queue_url(QueueName(name))

    @pytest.mark.parametrize(
        ("highest", "expected"),
        [(0, ["0", "None", "3", "6", "9"]), (9, ["9", "6", "3", "0", "None"])],
    )
    def test_the_highest_is_got_first(
        self, connect: Connect, sqs: MemorySqs, clock: FakeClock, highest: int, expected: list[str]
    ) -> None:
        client = Client(connect(priority_steps=STEPS, highest_priority=highest), sqs, clock)
        self.publish_to_all(client)
        sqs.close()  # polls of empty queues end at once

        got = [client.channel.basic_get("celery").payload for _ in range(5)]

        assert got == [f"priority {each}" for each in expected]
        assert client.channel.basic_get("celery") is None
