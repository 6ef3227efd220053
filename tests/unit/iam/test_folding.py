from fnmatch import fnmatchcase

import pytest

from celery_aws.errors import ConfigurationError
from celery_aws.iam import PolicyDocument, PolicyOptions, Role, policy
from celery_aws.iam.document import Statement
from tests.unit.iam.deployments import deployment_with, identity

INBOX = f"arn:aws:sqs:eu-west-1:123456789012:shop-celery-inbox-{'0' * 32}.fifo"
MANY = {"task_routes": {f"proj.t{n}": f"queue-{n}" for n in range(100)}}


def folded(role: Role, **given: object) -> PolicyDocument:
    deployment = deployment_with(**given)  # type: ignore[arg-type]
    return policy(deployment, role, identity(), PolicyOptions(folds=True))


def statement(document: PolicyDocument, sid: str) -> Statement | None:
    return next((each for each in document.statements if each.sid == sid), None)


def test_many_queues_become_one_pattern() -> None:
    deployment = deployment_with(conf=MANY)
    assert not policy(deployment, Role.PRODUCER, identity()).fits
    document = folded(Role.PRODUCER, conf=MANY)
    assert document.fits
    send = statement(document, "SendTasks")
    assert send is not None
    assert send.resources == ("arn:aws:sqs:eu-west-1:123456789012:shop-*",)


def test_a_producer_still_commands_nobody() -> None:
    denial = statement(folded(Role.PRODUCER, conf=MANY), "CommandNobody")
    assert denial is not None
    assert denial.effect == "Deny"
    assert any(fnmatchcase(INBOX, each) for each in denial.resources)


@pytest.mark.parametrize("role", [Role.WORKER, Role.MONITOR, Role.PROVISIONER])
def test_nobody_else_is_denied_anything(role: Role) -> None:
    assert statement(folded(role, conf=MANY), "CommandNobody") is None


def test_who_has_to_send_to_inboxes_is_not_denied_it() -> None:
    conf = {**MANY, "task_send_sent_event": True}
    assert statement(folded(Role.PRODUCER, conf=conf), "CommandNobody") is None


def test_inboxes_keep_their_own_pattern() -> None:
    keep = statement(folded(Role.WORKER, conf=MANY), "KeepInbox")
    assert keep is not None
    assert keep.resources == ("arn:aws:sqs:eu-west-1:123456789012:shop-celery-inbox-*.fifo",)


def test_names_with_nothing_in_common() -> None:
    with pytest.raises(ConfigurationError, match="queue_name_prefix"):
        folded(Role.PRODUCER, queue_name_prefix="", conf={"task_routes": {"a": "mail"}})


def test_one_queue_is_no_pattern() -> None:
    send = statement(folded(Role.PRODUCER), "SendTasks")
    assert send is not None
    assert send.resources == ("arn:aws:sqs:eu-west-1:123456789012:shop-celery",)
