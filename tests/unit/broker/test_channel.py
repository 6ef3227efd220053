"""The channel's consumers, queues and gets, through a kombu connection on SQS in memory."""

import os
from dataclasses import replace
from datetime import timedelta

import pytest
from amqp.exceptions import NotFound
from celery import Celery
from celery.worker import state
from kombu import Queue

from celery_aws.broker.delivery import Delivery
from celery_aws.broker.qos import PollTicket
from celery_aws.broker.receiver import Receiver
from celery_aws.core.hop_marks import mark_hop
from celery_aws.core.messages import OutgoingMessage
from celery_aws.core.parked_messages import mark_again, mark_parked
from celery_aws.errors import UnsupportedError
from celery_aws.names import QueueName
from celery_aws.testing.clock import FakeClock
from celery_aws.testing.memory_sqs import MemorySqs
from tests.unit.broker.conftest import PATIENCE_SECONDS, TASKS, Client, Connect

ATTRIBUTES = {"tenant": {"DataType": "String", "StringValue": "7"}}


class TestConsuming:
    def test_what_was_published_is_consumed(self, client: Client) -> None:
        client.publish({"a": [1, "é"]})
        client.consume()

        client.drain()

        (message,) = client.messages
        assert message.payload == {"a": [1, "é"]}
        assert message.delivery_info["routing_key"] == "celery"
        assert message.delivery_info["redelivered"] is False

    def test_an_acknowledged_message_is_deleted(self, client: Client) -> None:
        client.publish()
        client.consume()
        client.drain()

        client.messages[0].ack()
        client.settled()

        assert client.kept() == 0

    def test_its_group_is_the_one_that_sqs_names(self, client: Client) -> None:
        client.publish(MessageGroupId="tenant-7")
        client.publish()
        client.consume()

        client.drain(2)

        groups = [message.properties.get("MessageGroupId") for message in client.messages]
        assert groups == ["tenant-7", None]

    def test_a_message_given_back_is_redelivered(self, client: Client) -> None:
        client.publish()
        client.consume()
        client.drain()

        client.messages[0].requeue()
        client.drain(2)

        assert client.messages[1].delivery_info["redelivered"] is True

    @pytest.mark.parametrize("again", [False, True])
    def test_one_that_may_have_been_sent_before_is_redelivered(
        self, client: Client, again: bool
    ) -> None:
        message = mark_parked(OutgoingMessage(body="parked"), "task-1")
        address = client.channel.directory.address("celery")
        client.sqs.send(address.url, mark_again(message) if again else message)
        client.consume()

        client.drain()

        assert client.messages[0].delivery_info["redelivered"] is again

    def test_celery_hears_of_a_revoke_before_the_message(self, client: Client) -> None:
        client.publish()
        consumer = client.consume()
        known: list[bool] = []
        consumer.on_message = lambda _: known.append("task-1" in state.revoked)
        client.buffered()
        buffer = client.connection.transport.buffer
        delivery = buffer.take()
        revoked = replace(delivery.message, revoked_task_id="task-1")

        buffer.put([replace(delivery, message=revoked)])
        client.connection.drain_events(timeout=PATIENCE_SECONDS)

        assert known == [True]
        state.revoked.discard("task-1")

    def test_a_rejected_message_is_deleted(
        self, connect: Connect, sqs: MemorySqs, clock: FakeClock
    ) -> None:
        client = Client(connect(max_receive_count=0), sqs, clock)
        client.publish()
        client.consume()
        client.drain()

        client.messages[0].reject()
        client.settled()

        assert client.kept() == 0

    def test_a_rejected_message_of_a_known_task_is_a_dead_letter(
        self, client: Client, shop: Celery
    ) -> None:
        client.publish(headers={"task": "shop.mail"}, message_attributes=ATTRIBUTES)
        client.consume()
        client.drain()
        (sent,) = client.sqs.messages(QueueName("celery"))

        client.messages[0].reject()
        client.messages[0].channel.basic_reject("an unknown tag")
        client.settled()

        assert client.kept() == 0
        (moved,) = client.sqs.messages(QueueName("celery-dead-letter"))
        assert (moved.body, moved.attributes) == (sent.body, ATTRIBUTES)

    def test_a_rejected_message_of_an_unknown_task_stays(
        self, client: Client, shop: Celery
    ) -> None:
        client.publish(headers={"task": "shop.new"})
        client.consume()
        client.drain()

        client.messages[0].reject()
        client.settled()

        assert (client.kept(), client.visible()) == (1, 0)

    def test_without_acknowledgements_it_is_deleted_on_delivery(self, client: Client) -> None:
        client.publish()
        client.consume(no_ack=True)

        client.drain()
        client.settled()

        assert client.kept() == 0
        assert client.channel.qos.can_consume_max_estimate() is None

    @pytest.mark.parametrize("no_ack", [False, True])
    def test_a_step_to_an_eta_is_handed_only_to_who_acknowledges_on_receipt(
        self, client: Client, no_ack: bool
    ) -> None:
        step = mark_hop(OutgoingMessage(body="step"), client.clock.now() + timedelta(hours=1))
        client.sqs.send(client.channel.directory.address("celery").url, step)
        client.raw("last")
        client.consume(no_ack=no_ack)

        client.drain(2 if no_ack else 1)
        client.settled()

        bodies = [message.body.decode() for message in client.messages]
        assert bodies == (["step", "last"] if no_ack else ["last"])
        assert client.sqs.count("SendMessage") == (2 if no_ack else 3)

    def test_it_is_handed_to_who_gets_it(self, client: Client) -> None:
        step = mark_hop(OutgoingMessage(body="step"), client.clock.now() + timedelta(hours=1))
        client.sqs.send(client.channel.directory.address("celery").url, step)

        assert client.channel.basic_get("celery").body == b"step"

    def test_the_prefetch_count_holds(self, client: Client) -> None:
        for _ in range(5):
            client.publish()
        client.consume(prefetch_count=2)

        client.drain(2)

        assert client.visible() == 3
        with pytest.raises(TimeoutError):
            client.connection.drain_events(timeout=0)

    def test_a_cancelled_consumer_gives_back_what_was_not_delivered(self, client: Client) -> None:
        for _ in range(3):
            client.publish()
        consumer = client.consume()
        client.drain()
        assert client.sqs.wait_until(lambda: client.visible() == 0)

        consumer.cancel()

        assert client.sqs.wait_until(lambda: client.visible() == 2)
        assert client.channel.receivers == []

    def test_a_cancel_forgets_nothing_that_another_priority_is_receiving(
        self, connect: Connect, sqs: MemorySqs, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The receiver of the lower step finds something in the higher one meanwhile."""
        client = Client(connect(priority_steps=[0, 9]), sqs, clock)
        client.publish()
        consumer = client.consume(prefetch_count=2)
        _, lower = client.channel.receivers
        buffer = client.connection.transport.buffer
        discard = buffer.discard

        def then_the_other_puts(receiver: Receiver) -> list[Delivery]:
            found: list[Delivery] = discard(receiver)
            monkeypatch.setattr(buffer, "discard", discard)
            poll = client.channel.qos.reserve(PollTicket(), wait_time_seconds=0, rest_seconds=0)
            lower._poll_once(poll)
            return found

        monkeypatch.setattr(buffer, "discard", then_the_other_puts)
        consumer.cancel()
        client.settled()

        assert client.visible() == 1
        assert client.channel.qos.can_consume_max_estimate() == 2

    def test_closing_gives_back_what_was_not_acknowledged(self, client: Client) -> None:
        for _ in range(3):
            client.publish()
        client.consume()
        client.drain(2)
        client.messages[0].ack()

        client.connection.close()

        assert client.sqs.wait_until(lambda: client.visible() == 2)
        assert client.kept() == 2

    def test_an_acknowledgement_after_closing_is_ignored(self, client: Client) -> None:
        client.publish()
        client.consume()
        client.drain()
        client.connection.close()

        client.messages[0].ack()

        assert client.visible() == 1

    def test_closing_a_channel_twice_is_no_error(self, client: Client) -> None:
        client.consume()

        client.channel.close()
        client.channel.close()

        assert client.channel.closed

    @pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
    def test_a_forked_child_gives_back_nothing_of_its_parents(self, client: Client) -> None:
        """The parent still works on it; celery's pool closes inherited connections."""
        client.publish()
        client.consume()
        client.drain()
        pid = os.fork()
        if pid == 0:  # pragma: no cover - the child is not measured
            client.connection.close()
            os._exit(client.visible())

        assert os.waitpid(pid, 0)[1] == 0


class TestQueues:
    def test_declaring_creates_it_once(self, client: Client) -> None:
        TASKS(client.channel).declare()
        TASKS(client.channel).declare()

        created = [call.resource for call in client.sqs.calls if call.operation == "CreateQueue"]
        assert created == ["celery-dead-letter", "celery"]

    def test_a_passive_declare_counts(self, client: Client) -> None:
        client.publish()
        client.publish()

        assert client.channel.queue_declare("celery", passive=True).message_count == 2

    def test_a_passive_declare_of_a_missing_queue_is_not_found(self, client: Client) -> None:
        with pytest.raises(NotFound, match="NOT_FOUND"):
            client.channel.queue_declare("nobody", passive=True)

        assert client.sqs.count("CreateQueue") == 0

    def test_a_queue_that_expires_is_refused(self, client: Client) -> None:
        """Those of remote control, events and rpc:// do."""
        queue = Queue("reply", expires=10, auto_delete=True)
        with pytest.raises(UnsupportedError, match=r"'reply' expires.*aws\+dynamodb"):
            queue(client.channel).declare()

    def test_a_queue_for_one_client_is_a_queue(self, client: Client) -> None:
        client.channel.queue_declare("buffer", auto_delete=True, exclusive=True)
        assert client.channel.queue_declare("buffer", passive=True).message_count == 0

    def test_a_fanout_is_refused(self, client: Client) -> None:
        with pytest.raises(UnsupportedError, match="'news' is a fanout"):
            client.channel.exchange_declare("news", type="fanout")

    def test_purging_tells_how_many(self, client: Client) -> None:
        client.publish()

        assert client.channel.queue_purge("celery") == 1
        assert client.kept() == 0

    def test_deleting_forgets_the_queue(self, client: Client) -> None:
        client.publish()

        client.channel.queue_delete("celery")
        client.channel.queue_delete("celery")

        assert client.kept() == 0
        assert client.sqs.queue_url(QueueName("celery-dead-letter"))
        client.clock.advance(60)
        client.publish()
        assert client.kept() == 1

    def test_a_queue_with_messages_is_kept_if_asked_to(self, client: Client) -> None:
        client.publish()

        client.channel.queue_delete("celery", if_empty=True)

        assert client.kept() == 1


class TestGetting:
    def test_a_message_is_got_and_acknowledged(self, client: Client) -> None:
        client.publish([1])

        message = client.channel.basic_get("celery")

        assert message.payload == [1]
        message.ack()
        client.settled()
        assert client.kept() == 0

    def test_an_empty_queue_has_none(self, client: Client) -> None:
        client.sqs.close()  # polls end at once

        assert client.channel.basic_get("celery") is None
        assert not client.connection.transport.leases.alive

    def test_one_that_is_worked_on_here_is_not_got_again(self, client: Client) -> None:
        client.publish("1")
        client.publish("2")
        client.sqs.faults.deliver_twice()

        got = [client.channel.basic_get("celery") for _ in range(2)]

        assert [message.payload for message in got] == ["1", "2"]

    def test_what_has_expired_is_passed_over(self, client: Client) -> None:
        client.publish("1", expiration=2)
        client.clock.advance(3)
        client.publish("2", expiration=2)

        assert client.channel.basic_get("celery").payload == "2"
        client.settled()
        assert client.kept() == 1

    def test_one_given_back_is_got_again(self, client: Client) -> None:
        client.publish()
        client.channel.basic_get("celery").requeue()

        assert client.channel.basic_get("celery").delivery_info["redelivered"] is True

    def test_without_acknowledgement_it_is_deleted(self, client: Client) -> None:
        client.publish()

        client.channel.basic_get("celery", no_ack=True)
        client.settled()

        assert client.kept() == 0
