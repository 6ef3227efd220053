"""Tools that hook into botocore are found."""

import functools
from typing import Any

import botocore.session
import pytest
from botocore.client import BaseClient

from celery_aws.aws.access import Access
from celery_aws.aws.clients import client_for
from celery_aws.aws.wire.bystanders import _EVENTS, _PATCHED, calls_are_patched, hooked_by_others

OPERATIONS = [
    ("sqs", "SendMessage"),
    ("sqs", "SendMessageBatch"),
    ("sqs", "ReceiveMessage"),
    ("sqs", "DeleteMessageBatch"),
    ("sqs", "ChangeMessageVisibilityBatch"),
    ("dynamodb", "PutItem"),
]


def looked_at(**_: Any) -> None:
    """Do nothing, as a tool that only looks."""


@functools.wraps(BaseClient._make_api_call)
def wrapping(*_: Any, **__: Any) -> None:
    """Stand in for botocore's, and look like it."""


class Tool:
    """A tool whose handler is an object, as moto's is."""

    def __call__(self, **_: Any) -> None:
        """Do nothing."""


@pytest.mark.parametrize(("service", "operation"), OPERATIONS)
def test_nobody_but_botocore_and_we_take_part(access: Access, service: str, operation: str) -> None:
    assert not hooked_by_others(client_for(service, access), operation)
    assert not calls_are_patched()


@pytest.mark.parametrize("event", _EVENTS)
def test_a_handler_of_somebody_else_is_found(access: Access, event: str) -> None:
    client = client_for("sqs", access)
    client.meta.events.register(f"{event}.sqs", looked_at)
    assert hooked_by_others(client, "SendMessage")


@pytest.mark.parametrize(
    "handler",
    [Tool(), wrapping, functools.partial(looked_at)],
    ids=["object", "wrapper", "partial"],
)
def test_a_handler_may_be_any_object(access: Access, handler: Any) -> None:
    client = client_for("sqs", access)
    client.meta.events.register_first("before-send", handler)
    assert hooked_by_others(client, "SendMessage")


def test_a_handler_of_another_operation_is_none_of_ours(access: Access) -> None:
    client = client_for("sqs", access)
    client.meta.events.register("before-send.sqs.CreateQueue", looked_at)
    assert not hooked_by_others(client, "SendMessage")


@pytest.mark.parametrize(
    "patched", [looked_at, wrapping, Tool()], ids=["function", "wrapper", "object"]
)
@pytest.mark.parametrize(("cls", "method"), _PATCHED)
def test_a_patch_of_botocores_calls_is_found(
    monkeypatch: pytest.MonkeyPatch, cls: type, method: str, patched: Any
) -> None:
    assert not calls_are_patched()
    monkeypatch.setattr(cls, method, patched)
    assert calls_are_patched()


def test_a_botocore_without_its_calls_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(BaseClient, "_make_api_call")
    assert calls_are_patched()


def test_a_plain_session_knows_the_events(bare_environment: pytest.MonkeyPatch) -> None:
    session = botocore.session.Session()
    client = session.create_client("sqs", region_name="eu-west-1")
    assert not hooked_by_others(client, "SendMessage")
