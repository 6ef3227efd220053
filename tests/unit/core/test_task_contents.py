"""What Celery's own messages say, and the same without an eta."""

import base64
import json
from datetime import datetime, timezone
from typing import Any

import pytest
from celery import signature
from hypothesis import given
from hypothesis import strategies as st
from kombu.compression import compress

from celery_aws.broker.message import SqsMessage
from celery_aws.core.compression import HEADER
from celery_aws.core.envelope import decode_body, dump_envelope, encode_body, load_envelope
from celery_aws.core.task_contents import task_contents, without_eta
from tests.unit.core.publishing import SERIALIZERS, Publisher, workers_view

ETA = datetime(2031, 5, 6, 7, 8, 9, tzinfo=timezone.utc)


def envelope_of(
    message: dict[str, Any], *, as_base64: bool = False, compression: str | None = None
) -> str:
    """Return the SQS body for a message on its way out."""
    body, headers = message["body"], message["headers"]
    if compression is not None:
        body, method = compress(body, compression)
        headers = {**headers, HEADER: method}
    body, encoding = encode_body(body)
    properties = {**message["properties"], "body_encoding": encoding, "delivery_tag": "1"}
    whole = {**message, "body": body, "headers": headers, "properties": properties}
    return dump_envelope(whole, as_base64=as_base64)


def message_of(envelope: str) -> dict[str, Any]:
    """Undo :func:`envelope_of`."""
    loaded = load_envelope(envelope)
    body = decode_body(loaded["body"], loaded["properties"]["body_encoding"])
    return {**loaded, "body": body}


@pytest.fixture(params=[1, 2])
def publisher(request: pytest.FixtureRequest) -> Publisher:
    return Publisher(task_protocol=request.param)


@pytest.mark.parametrize("as_base64", [False, True])
@pytest.mark.parametrize("compression", [None, "gzip"])
def test_a_worker_starts_at_once_what_has_lost_its_eta(
    publisher: Publisher, as_base64: bool, compression: str | None
) -> None:
    message = publisher.task(eta=ETA, retries=2)
    before = workers_view(publisher.app, message)
    assert before.eta == ETA
    changed = without_eta(envelope_of(message, as_base64=as_base64, compression=compression))
    assert changed.startswith("{") is not as_base64
    assert not SqsMessage(load_envelope(changed)).errors
    after = workers_view(publisher.app, message_of(changed))
    assert (after.eta, after.called_at) == (None, None)


def test_nothing_else_changes(publisher: Publisher) -> None:
    message = publisher.task(eta=ETA, expires=4_000_000_000, priority=3, headers={"mine": ["é"]})
    before, after = envelope_of(message), without_eta(envelope_of(message))
    assert json.loads(after).keys() == json.loads(before).keys()
    old, new = message_of(before), message_of(after)
    for each in (old, new):
        each["properties"].pop("body_encoding")
        if publisher.app.conf.task_protocol == 1:
            each["body"] = json.loads(each["body"])
            each["body"].pop("eta")
            each["headers"].pop("eta", None)
        else:
            each["headers"].pop("eta")
    assert new == old


@pytest.mark.parametrize("serializer", SERIALIZERS)
def test_with_protocol_2_no_body_is_read(serializer: str) -> None:
    publisher = Publisher(task_serializer=serializer, accept_content=[serializer])
    message = publisher.task(eta=ETA)
    after = message_of(without_eta(envelope_of(message)))
    assert after["headers"]["eta"] is None
    assert after["body"] == message["body"]


@pytest.mark.parametrize("serializer", [each for each in SERIALIZERS if each != "json"])
def test_with_protocol_1_only_json_is_read(serializer: str) -> None:
    publisher = Publisher(task_protocol=1, task_serializer=serializer)
    envelope = envelope_of(publisher.task(eta=ETA))
    with pytest.raises(ValueError, match="only read here if it is JSON; this one is application"):
        without_eta(envelope)
    contents = task_contents(envelope)
    assert contents.protocol is None
    assert contents.request is None


@given(st.text() | st.binary().map(lambda raw: base64.b64encode(raw).decode()))
def test_of_what_is_no_message_nothing_is_said(text: str) -> None:
    contents = task_contents(text)
    assert contents.protocol is None
    assert contents.request is None
    with pytest.raises(ValueError, match="no message of Celery"):
        without_eta(text)


def test_what_a_task_says(publisher: Publisher) -> None:
    contents = task_contents(envelope_of(publisher.task(eta=ETA, retries=2, task_id="one")))
    assert contents.protocol == publisher.app.conf.task_protocol
    assert contents.fields["id"] == "one"
    assert contents.fields["task"] == "shop.mail"
    assert contents.fields["retries"] == 2
    assert contents.fields["eta"] == ETA.isoformat()
    assert contents.arguments == ("['you']", "{'copy': 1}")
    assert contents.content_type == "application/json"


def test_long_arguments_are_cut_where_nobody_has_written_them_down() -> None:
    publisher = Publisher(task_protocol=1)
    message = publisher.sent(lambda: publisher.app.send_task("shop.mail", ["x" * 5_000]))
    contents = task_contents(envelope_of(message))
    assert contents.arguments is not None
    assert len(contents.arguments[0]) < 1_100


def test_the_request_of_a_part_of_a_chord_names_the_chord(publisher: Publisher) -> None:
    body = signature("shop.bill", app=publisher.app)
    message = publisher.task(eta=ETA, group_id="g", chord=body)
    message["properties"]["delivery_info"]["routing_key"] = "celery"
    request = task_contents(envelope_of(message)).request
    assert request is not None
    assert request["group"] == "g"
    assert request["chord"]["task"] == "shop.bill"
    assert request["delivery_info"]["routing_key"] == "celery"


def test_without_its_body_only_a_task_of_no_group_has_a_request() -> None:
    publisher = Publisher(task_serializer="pickle", accept_content=["pickle"])
    alone = task_contents(envelope_of(publisher.task(eta=ETA)))
    assert alone.request is not None
    assert alone.request.get("chord") is None
    grouped = task_contents(envelope_of(publisher.task(eta=ETA, group_id="g")))
    assert grouped.request is None
    assert grouped.fields["group"] == "g"


def test_a_pickle_is_never_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    publisher = Publisher(task_serializer="pickle", accept_content=["pickle"])
    envelope = envelope_of(publisher.task(eta=ETA, group_id="g"))

    def opened(*_: object) -> None:
        raise AssertionError("opened")

    monkeypatch.setattr("pickle.loads", opened)
    monkeypatch.setattr("pickle.Unpickler", opened)
    assert task_contents(envelope).embed is None
    assert without_eta(envelope)
