import concurrent.futures
import threading
from typing import Any, cast

import pytest

from celery_aws.aws.sqs import QueueService
from celery_aws.control import courier as courier_module
from celery_aws.control.courier import STREAMS, Courier
from celery_aws.core.messages import OutgoingMessage
from celery_aws.core.parcels import Parcel, ParcelItem, unpack
from celery_aws.errors import MessageTooLargeError, QueueNotFoundError
from celery_aws.names import QueueName, QueueUrl
from tests.unit.control.conftest import FAULT, PATIENCE_SECONDS, World, message
from tests.unit.schedule.test_outbox import incompressible
from tests.watched import Watched

PARCEL = Parcel(changed=("celeryev",))
NOWHERE = QueueUrl("https://sqs.us-east-1.amazonaws.com/000000000000/gone.fifo")


@pytest.fixture
def courier(world: World) -> Courier:
    return Courier(world.sqs)


def test_every_inbox_gets_it_once(world: World, courier: Courier) -> None:
    urls = [world.new_queue(f"{number}.fifo") for number in range(3)]

    assert courier.send_all([*urls, urls[0]], PARCEL) == {}

    assert [[unpack(body) for body in world.bodies(url)] for url in urls] == [[PARCEL]] * 3


def test_nobody_costs_nothing(world: World, courier: Courier) -> None:
    assert courier.send_all([], PARCEL) == {}
    assert world.sqs.calls == []


def test_it_is_sent_to_several_at_the_same_time(world: World) -> None:
    """None of them returns before all have begun."""
    urls = [world.new_queue(f"{number}.fifo") for number in range(STREAMS)]
    together = threading.Barrier(STREAMS, timeout=PATIENCE_SECONDS)
    watched = Watched(world.sqs)
    for _ in urls:
        watched.meets(before=together.wait)

    assert Courier(cast("QueueService", watched)).send_all(urls, PARCEL) == {}
    assert not together.broken


def test_what_fails_is_told_by_its_url(world: World, courier: Courier) -> None:
    one, two = world.new_queue("1.fifo"), world.new_queue("2.fifo")
    world.sqs.faults.fail("SendMessage", FAULT)

    failures = courier.send_all([one], PARCEL)
    assert failures == {one: FAULT}

    failures = courier.send_all([NOWHERE, two], PARCEL)
    assert list(failures) == [NOWHERE]
    assert isinstance(failures[NOWHERE], QueueNotFoundError)
    assert len(world.bodies(two)) == 1


def test_a_bug_is_raised(world: World) -> None:
    urls = [world.new_queue(f"{number}.fifo") for number in range(3)]
    watched = Watched(world.sqs)
    watched.meets()
    watched.meets(before=lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        Courier(cast("QueueService", watched)).send_all(urls, PARCEL)


def test_what_sqs_does_not_take_is_not_sent(world: World, courier: Courier) -> None:
    url = world.new_queue()
    large, larger = (
        Parcel(items=(ParcelItem(tokens=("token",), message=message(body)),))
        for body in ("compresses" * 200_000, incompressible(1_500_000))
    )

    assert courier.send_all([url], large) == {}
    with pytest.raises(MessageTooLargeError, match=r"one\.fifo.*send less at once"):
        courier.send_all([url], larger)

    assert world.sqs.count("SendMessage") == 1


def test_one_process_is_one_sender_and_every_message_another(world: World) -> None:
    """SQS keeps the order of a sender, and takes no two messages for one."""
    url = world.new_queue()
    one, other = Courier(world.sqs), Courier(world.sqs)
    for courier in (one, one, other):
        courier.send_all([url], PARCEL)

    assert one.sender != other.sender
    stored = world.sqs.messages(QueueName("one.fifo"))
    assert [each.group for each in stored] == [one.sender, one.sender, other.sender]


def test_another_try_of_the_same_comes_once(world: World, courier: Courier) -> None:
    url = world.new_queue()
    for _ in range(2):
        courier.send_all([url], PARCEL, deduplication_id="the-same")
    courier.send_all([url], PARCEL, deduplication_id="another")
    assert len(world.bodies(url)) == 2


@pytest.mark.parametrize("accepted", [0, 1, 3])
def test_at_the_end_of_the_interpreter_it_is_sent_one_by_one_and_once(
    accepted: int, world: World, courier: Courier, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Ending(concurrent.futures.ThreadPoolExecutor):
        taken = 0

        def submit(self, *args: Any, **kwargs: Any) -> Any:
            if Ending.taken == accepted:
                raise RuntimeError("cannot schedule new futures after interpreter shutdown")
            Ending.taken += 1
            return super().submit(*args, **kwargs)

    monkeypatch.setattr(courier_module, "ThreadPoolExecutor", Ending)
    urls = [world.new_queue(f"{number}.fifo") for number in range(5)]

    assert courier.send_all(urls, PARCEL) == {}

    assert [len(world.bodies(url)) for url in urls] == [1] * 5


def test_what_is_sent_is_for_a_fifo_queue() -> None:
    sent: list[OutgoingMessage] = []

    class Service:
        def send(self, _url: QueueUrl, outgoing: OutgoingMessage) -> str:
            sent.append(outgoing)
            return "id"

    Courier(cast("QueueService", Service())).send_all([NOWHERE], PARCEL)
    (outgoing,) = sent
    assert outgoing.delay_seconds is None
    assert outgoing.message_deduplication_id
