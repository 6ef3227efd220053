import base64
import json
import os
from datetime import datetime, timedelta, timezone

from celery_aws.limits import SQS_MESSAGE_BYTES
from celery_aws.migrate.redis.looking import Look

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)


def entry(*, body: bytes = b"[[], {}, {}]", eta: datetime | None = None) -> bytes:
    content = {
        "body": base64.b64encode(body).decode(),
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": {"id": "task-1", "task": "add", "eta": eta and eta.isoformat()},
        "properties": {"delivery_tag": "1", "body_encoding": "base64"},
    }
    return json.dumps(content).encode()


def looked_at(*entries: bytes) -> Look:
    look = Look(now=NOW)
    for each in entries:
        look.add(each)
    return look


def test_sizes_are_those_in_redis() -> None:
    small, large = entry(), entry(body=b"x" * 100)

    look = looked_at(small, large)

    assert look.total_bytes == len(small) + len(large)
    assert look.largest_bytes == len(large)
    assert list(look.troubles()) == []


def test_etas_count_while_they_are_to_come() -> None:
    past, near, far = (NOW + timedelta(seconds=seconds) for seconds in (-1, 900, 901))

    look = looked_at(entry(eta=past), entry(eta=near), entry(eta=far), entry())

    assert (look.with_eta, look.with_far_eta, look.latest_eta_seconds) == (2, 1, 901)


def test_an_eta_of_protocol_1_is_in_the_body() -> None:
    body = json.dumps({"task": "add", "id": "1", "args": [], "eta": "2026-01-01T01:00:00"})
    content = json.loads(entry(body=body.encode()))

    look = looked_at(json.dumps({**content, "headers": {}}).encode())

    assert look.with_eta == 1


def test_a_text_that_is_too_large_only_in_base64_goes() -> None:
    text = entry(body=b"x" * (SQS_MESSAGE_BYTES - 2_000))

    assert len(text) > SQS_MESSAGE_BYTES
    assert list(looked_at(text).troubles()) == []


def test_what_is_too_large_for_sqs_is_named() -> None:
    [trouble] = looked_at(entry(body=os.urandom(800_000)), entry()).troubles()

    assert (trouble.kind, trouble.count) == ("oversize", 1)
    assert trouble.example.startswith("task-1")
    assert "large_message_bucket" in trouble.remedy


def test_what_cannot_be_read_is_named_by_its_first_bytes() -> None:
    [trouble] = looked_at(b"\xff" * 1_000, b"{}", entry()).troubles()

    assert (trouble.kind, trouble.count) == ("unreadable", 2)
    assert len(trouble.example) < 200
