from typing import Any

from celery import Celery

from celery_aws.broker.message import SqsMessage
from celery_aws.broker.rejections import Rejections
from celery_aws.core.rejection import Fate, Rejection
from tests.unit.broker.conftest import Bench

URL = "https://sqs.eu-west-1.amazonaws.com/000000000000/celery"


def message_of(bench: Bench, task: str | None, **payload: Any) -> SqsMessage:
    headers = {"task": task} if task else {}
    properties = {"delivery_tag": "1", "delivery_info": {}, **payload.pop("properties", {})}
    whole = {"body": "[]", "headers": headers, "properties": properties, **payload}
    return SqsMessage(whole, receipt=bench.receive(1)[0])


def fate(bench: Bench, message: SqsMessage, *, requeue: bool = False) -> Fate:
    return Rejections(bench.directory).decide(message, requeue=requeue).fate


def test_a_known_task_moves_at_once(bench: Bench, shop: Celery) -> None:
    assert fate(bench, message_of(bench, "shop.mail")) is Fate.MOVE_OR_DELETE


def test_an_unknown_task_is_left_to_a_newer_worker(bench: Bench, shop: Celery) -> None:
    assert fate(bench, message_of(bench, "shop.new")) is Fate.LEAVE_OR_DELETE


def test_what_cannot_be_decoded_is_left(bench: Bench, shop: Celery) -> None:
    message = message_of(bench, "shop.mail", properties={"body_encoding": "rot13"})

    assert fate(bench, message) is Fate.LEAVE_OR_DELETE


def test_a_requeue_gives_it_back(bench: Bench, shop: Celery) -> None:
    assert fate(bench, message_of(bench, "shop.mail"), requeue=True) is Fate.GIVE_BACK


def test_a_task_with_a_back_off_policy_follows_it(bench: Bench, shop: Celery) -> None:
    queue = {"url": URL, "backoff_tasks": ["shop.mail"], "backoff_policy": {1: 10}}
    rejections = Rejections(bench.new_directory(predefined_queues={"celery": queue}))

    decided = rejections.decide(message_of(bench, "shop.mail"), requeue=False)

    assert decided == Rejection(fate=Fate.GIVE_BACK, visible_in_seconds=10)


def test_deciding_asks_aws_nothing(bench: Bench, shop: Celery) -> None:
    message = message_of(bench, "shop.mail")
    before = len(bench.sqs.calls)

    fate(bench, message)

    assert len(bench.sqs.calls) == before
