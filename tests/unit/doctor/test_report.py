import json
from dataclasses import replace

import pytest
from kombu import Queue

from celery_aws.doctor.look import Look
from celery_aws.doctor.report import mask, report_of
from celery_aws.errors import CredentialsError, UnreachableError
from tests.unit.doctor.scenes import scene, with_attributes, with_connections

pytestmark = pytest.mark.usefixtures("bare_environment")

SECRET = "se/cr+et"
WORKER = "arn:aws:sts::123456789012:assumed-role/shop-worker/i-1"


def test_text() -> None:
    facts = scene(task_queues=[Queue("a"), Queue("b")])
    lines = list(report_of(with_attributes(facts, DelaySeconds="5")).lines())
    assert lines[0] == "WARNING queue-delays-messages"
    assert lines[1].startswith("    The queue delays every message")
    assert lines[2:4] == ["    * queue a: DelaySeconds is 5", "    * queue b: DelaySeconds is 5"]
    assert lines[4].startswith("    Remedy: Set the queue's DelaySeconds to 0")
    assert lines[5] == ""
    counts = "0 errors, 2 warnings, 0 notices. Looked at 2 queues, 2 tables, 0 buckets, 0 tasks"
    assert lines[6:] == [f"{counts} as {WORKER}, for a worker."]


def test_json() -> None:
    report = report_of(with_attributes(scene(), DelaySeconds="5"))
    found = json.loads(json.dumps(report.facts()))
    (finding,) = found.pop("findings")
    assert found == {
        "role": "worker",
        "asked_as": WORKER,
        "region": "eu-west-1",
        "answered": True,
        "healthy": False,
        "examined": {"queues": 1, "tables": 2, "buckets": 0, "tasks": 0},
        "counts": {"error": 0, "warning": 1, "notice": 0},
    }
    assert set(finding) == {"id", "severity", "meaning", "what", "evidence", "remedy"}


def test_notices_alone_are_healthy() -> None:
    assert report_of(with_attributes(scene(), VisibilityTimeout="30")).healthy


def test_nothing_was_answered_if_nobody_did() -> None:
    silent = with_connections(scene(), reached=Look(error=UnreachableError("no answer")))
    assert not report_of(silent).answered
    first, *others = scene().connections
    some = replace(
        scene(),
        connections=(replace(first, refusal=CredentialsError("unknown")), *others),
    )
    assert report_of(some).answered


def test_secrets_are_masked() -> None:
    queue = {
        "url": "https://sqs.eu-west-1.amazonaws.com/1/celery",
        "access_key_id": "KEY",
        "secret_access_key": "another-secret",
    }
    facts = scene(
        broker_url="aws+sqs://KEY:se%2Fcr%2Bet@",
        options={"session_token": "a-token", "predefined_queues": {"celery": queue}},
    )
    said = f"{SECRET} se%2Fcr%2Bet a-token another-secret KEY"
    report = report_of(with_connections(facts, refusal=CredentialsError(said)))
    refused = [each for each in report.findings if each.id == "credentials-refused"]
    assert {each.evidence for each in refused} == {"** ** ** ** KEY"}


def test_a_request_that_aws_repeats_is_not_shown() -> None:
    said = (
        "The signature does not match. x-amz-security-token:IQoJb3Jp\n\nThe Canonical String:\n"
        "x-amz-security-token:IQoJb3Jp"
    )
    assert mask(said, []) == "The signature does not match. x-amz-security-token:**"
