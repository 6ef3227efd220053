from typing import Any

import pytest

from celery_aws.aws.bucket_administration import Lifecycle
from celery_aws.core.attributes import text
from celery_aws.core.messages import OutgoingMessage
from celery_aws.deployment import Deployment
from celery_aws.errors import AccessDeniedError
from celery_aws.names import BucketName, ObjectKey, QueueName, TableName
from celery_aws.provision import Remains, read_remains, remove
from tests.unit.provision.account import Account, Interruption, KilledError, deployment

BIG = BucketName("big")
INBOX = QueueName(f"hoge-celery-inbox-{'0' * 32}.fifo")

OPTIONS: dict[str, Any] = {
    "queue_name_prefix": "hoge-",
    "large_message_bucket": BIG,
    "large_message_prefix": "tasks/",
}


def everything() -> Deployment:
    return deployment(options=OPTIONS)


def remains(account: Account, wanted: Deployment) -> Remains:
    return read_remains(wanted, account.services())


def destroy(
    account: Account, wanted: Deployment, interruption: Interruption | None = None
) -> list[str]:
    services = account.services(interruption)
    done: list[str] = []
    remove(read_remains(wanted, services), services, done=done.append, say=account.said.append)
    return done


def test_all_of_it_is_taken_away_in_order(account: Account) -> None:
    wanted = everything()
    account.provision(wanted)
    account.queues.create_queue(INBOX, {"FifoQueue": "true"}, {})
    for other in ("hoge-celery-inbox", "other-celery", "celery"):
        account.queues.create_queue(QueueName(other), {}, {})
    assert destroy(account, wanted) == [
        "queue hoge-celery: deleted",
        "queue hoge-celery-dead-letter: deleted",
        f"queue {INBOX}: deleted",
        "table results: deleted",
        "table hoge-celery-coordination: deleted",
        "bucket big: deleted",
    ]
    assert remains(account, wanted).is_empty
    left = [queue.name for queue in account.queues._account.all()]
    assert left == ["hoge-celery-inbox", "other-celery", "celery"]


def test_an_inbox_is_found_without_the_right_to_ask_for_it_by_its_name(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.queues.create_queue(INBOX, {"FifoQueue": "true"}, {})
    by_name = account.queues.queue_url

    def denied_on_inboxes(name: QueueName, **more: Any) -> Any:
        if name == INBOX:
            raise AccessDeniedError("no", service="sqs", operation="GetQueueUrl")
        return by_name(name, **more)

    monkeypatch.setattr(account.queues, "queue_url", denied_on_inboxes)
    assert destroy(account, everything()) == [f"queue {INBOX}: deleted"]


@pytest.mark.parametrize("executed", [False, True], ids=["not executed", "executed"])
def test_killed_at_any_request_and_run_again_it_is_done(
    bare_environment: pytest.MonkeyPatch, *, executed: bool
) -> None:
    wanted = everything()
    at = 0
    while True:
        at += 1
        account = Account()
        account.provision(wanted)
        try:
            destroy(account, wanted, Interruption(at, executed=executed))
        except KilledError:
            destroy(account, wanted)
            assert remains(account, wanted).is_empty, f"killed at request {at}"
        else:
            break
    assert at > 15


def test_what_is_not_empty_is_refused(account: Account) -> None:
    wanted = everything()
    account.provision(wanted)
    assert remains(account, wanted).refusals(with_messages=False) == []
    url = account.queues.queue_url(QueueName("hoge-celery"))
    account.queues.send(url, OutgoingMessage(body="x"))
    account.queues.send(url, OutgoingMessage(body="x", delay_seconds=9))
    account.tables.put_item(TableName("results"), {"id": text("a")})
    there = remains(account, wanted)
    assert (there.queues[0].visible, there.queues[0].delayed) == (1, 1)
    assert there.refusals(with_messages=False) == [
        "the queue hoge-celery has about 2 messages",
        "the table results has items, about 1",
    ]
    assert there.refusals(with_messages=True) == []


def test_a_protected_table_stops_it(account: Account) -> None:
    wanted = deployment(results={"deletion_protection": True})
    account.provision(wanted)
    (refusal,) = remains(account, wanted).refusals(with_messages=True)
    assert "the table results has deletion protection" in refusal


def test_a_bucket_with_an_object_stays(account: Account) -> None:
    wanted = everything()
    account.provision(wanted)
    bucket = account.buckets.buckets[BIG]
    bucket.keys.add(ObjectKey("tasks/1"))
    assert destroy(account, wanted)[-1] == "bucket big: left, without our lifecycle rules"
    assert account.buckets.buckets[BIG].lifecycle == Lifecycle()
    assert destroy(account, wanted) == ["bucket big: left"]


def test_a_bucket_that_gets_an_object_meanwhile_stays(account: Account) -> None:
    wanted = everything()
    account.provision(wanted)
    there = remains(account, wanted)
    account.buckets.buckets[BIG].keys.add(ObjectKey("tasks/1"))
    done: list[str] = []
    remove(there, account.services(), done=done.append, say=lambda _: None)
    assert done[-1] == "bucket big: left, without our lifecycle rules"


def test_rules_of_others_stay(account: Account) -> None:
    wanted = everything()
    account.provision(wanted)
    bucket = account.buckets.buckets[BIG]
    theirs = {"ID": "theirs", "Status": "Enabled", "Filter": {"Prefix": "logs/"}}
    bucket.lifecycle = Lifecycle(rules=(*bucket.lifecycle.rules, theirs), minimum_size="varies")
    assert destroy(account, wanted)[-1] == "bucket big: left, without our lifecycle rules"
    assert bucket.lifecycle == Lifecycle(rules=(theirs,), minimum_size="varies")


def test_predefined_queues_and_tables_of_others_stay(account: Account) -> None:
    url = account.queues.create_queue(QueueName("celery"), {}, {})
    account.tables.create_table(
        TableName("arn:aws:dynamodb:us-east-1:123456789012:table/results"),
        everything().tables[0].spec,
    )
    wanted = deployment(
        options={"predefined_queues": {"celery": {"url": url}}, "coordination_table": False},
        backend="aws+dynamodb://@us-east-1/arn:aws:dynamodb:us-east-1:123456789012:table/results",
    )
    assert remains(account, wanted).is_empty


def test_without_remote_control_nobody_looks_for_inboxes(account: Account) -> None:
    wanted = deployment(options={"coordination_table": False}, backend=None)
    assert remains(account, wanted) == Remains()
    assert account.queues.count("ListQueues") == 0
