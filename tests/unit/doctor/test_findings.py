"""Each kind of finding: provoked, its remedy followed, and gone."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from kombu import Queue

from celery_aws.aws.identity import Identity
from celery_aws.aws.key_examination import KeyState
from celery_aws.aws.table_schema import KeyAttribute, TtlDescription
from celery_aws.core.lifecycle_rules import LifecycleRule
from celery_aws.core.request_usage import RequestUsage, UsageRow
from celery_aws.core.routing import Binding
from celery_aws.core.usage_records import UsageRecord
from celery_aws.cost.spending import spending
from celery_aws.doctor.catalogue import KINDS_BY_SUBJECT, findings_of
from celery_aws.doctor.examined import Attempt, Outcome
from celery_aws.doctor.facts import ExaminedBinding, Facts
from celery_aws.doctor.finding import Kind, Severity
from celery_aws.doctor.look import Look
from celery_aws.errors import (
    AccessDeniedError,
    BucketNotFoundError,
    CredentialsError,
    EncryptionKeyError,
    ExpiredCredentialsError,
    QueueNotFoundError,
    ServiceFaultError,
    TableNotFoundError,
    UnreachableError,
)
from celery_aws.names import AccountId, AmqpQueue, InboxId, QueueName
from celery_aws.prices import packaged_prices
from tests.unit.doctor.scenes import (
    ids,
    parked,
    policy,
    scene,
    with_attributes,
    with_buckets,
    with_connections,
    with_details,
    with_queues,
    with_shared,
    with_tables,
    with_target,
)

pytestmark = pytest.mark.usefixtures("bare_environment")

KINDS = [kind for kinds in KINDS_BY_SUBJECT.values() for kind in kinds]

#: Facts in which something is wrong, and facts in which its remedy was followed.
Case = tuple[Callable[[], Facts], Callable[[], Facts]]

AWS_SQS = "https://sqs.{}.amazonaws.com"
QUEUE_URL = f"{AWS_SQS.format('eu-west-1')}/123456789012/celery"
BUCKET: dict[str, Any] = {"options": {"large_message_bucket": "big", "large_message_prefix": "t/"}}
RESULTS_BUCKET: dict[str, Any] = {
    "result_backend_transport_options": {"large_result_bucket": "big"},
}
INBOX = f"celery-inbox-{'a' * 32}.fifo"
LATE = {"acks_late": True}
SAFE = {**LATE, "reject_on_worker_lost": True}


def missing_queue() -> Look[Any]:
    return Look(error=QueueNotFoundError("no such queue", operation="GetQueueUrl"))


def denied(operation: str) -> Look[Any]:
    return Look(error=AccessDeniedError("not authorized", operation=operation))


def rule(days: int | None, prefix: str = "", *, whole_prefix: bool = True) -> Look[Any]:
    found = LifecycleRule(name="r", prefix=prefix, expires_days=days, whole_prefix=whole_prefix)
    return Look(answer=(found,))


def binding(*, exists: bool) -> Look[Any]:
    bound = Binding(exchange="news", kind="topic", queue=AmqpQueue("a"), routing_key="#")
    return Look(answer=(ExaminedBinding(binding=bound, queue=QueueName("a"), exists=exists),))


def attempt(outcome: Outcome) -> tuple[Attempt, ...]:
    return (Attempt(action="sqs:DeleteMessage", resource="queue celery", outcome=outcome),)


def names(*more: str) -> Facts:
    return replace(scene(), queue_names=Look(answer=tuple(map(QueueName, more))))


def conf(**configuration: Any) -> Callable[[], Facts]:
    return lambda: scene(**configuration)


def options(**changes: Any) -> Callable[[], Facts]:
    return lambda: scene(options=changes)


def attributes(**changes: str) -> Callable[[], Facts]:
    return lambda: with_attributes(scene(), **changes)


def target(**changes: Any) -> Callable[[], Facts]:
    return lambda: with_target(scene(), **changes)


def tasks(**of_task: Any) -> Callable[[], Facts]:
    return lambda: scene(tasks={"proj.x": of_task})


def without_dead_letters(**configuration: Any) -> Facts:
    return with_queues(scene(**configuration), dead_letters=None)


def spent(dollars: float) -> Callable[[], Facts]:
    """Half of a month has cost so much, of two dollars."""
    record = UsageRecord(
        day=date(2026, 11, 1),
        process="p",
        node="celery@a",
        since=datetime(2026, 11, 1, tzinfo=timezone.utc),
        until=datetime(2026, 11, 16, tzinfo=timezone.utc),
        usage=RequestUsage(
            rows=(
                UsageRow(
                    service="dynamodb",
                    operation="PutItem",
                    resource="results",
                    requests=1,
                    units=dollars / 0.625e-6,
                ),
            )
        ),
    )
    found = spending("2026-11", [record], packaged_prices(), "us-east-1", now=record.until)
    facts = options(monthly_budget=2)
    return lambda: replace(facts(), spending=Look(answer=found))


CASES: dict[str, Case] = {
    # Connection and clock.
    "aws-unreachable": (
        lambda: with_connections(scene(), reached=Look(error=UnreachableError("no answer"))),
        scene,
    ),
    "endpoint-of-another-region": (
        options(endpoint_url=AWS_SQS.format("us-east-1")),
        options(endpoint_url=AWS_SQS.format("eu-west-1")),
    ),
    "endpoint-without-tls": (
        conf(broker_url="aws+sqs://sqs.eu-west-1.amazonaws.com", options={"is_secure": False}),
        conf(broker_url="aws+sqs://sqs.eu-west-1.amazonaws.com"),
    ),
    "clock-far-off": (lambda: with_connections(scene(), reached=Look(answer=-301.0)), scene),
    "clock-skewed": (lambda: with_connections(scene(), reached=Look(answer=61.0)), scene),
    "regions-differ": (conf(result_backend="aws+dynamodb://@us-east-1/results"), scene),
    # Credentials.
    "credentials-refused": (
        lambda: with_connections(scene(), refusal=CredentialsError("unknown key")),
        scene,
    ),
    "credentials-expired": (
        lambda: with_connections(scene(), refusal=ExpiredCredentialsError("expired")),
        scene,
    ),
    "role-not-assumed": (
        lambda: with_connections(
            scene(),
            reached=Look(
                error=AccessDeniedError("not authorized", service="sts", operation="AssumeRole")
            ),
        ),
        scene,
    ),
    "identity-unknown": (
        lambda: replace(scene(), identity=Look(error=UnreachableError("no answer"))),
        scene,
    ),
    "root-user": (
        lambda: replace(
            scene(),
            identity=Look(
                answer=Identity(
                    account=AccountId("123456789012"), arn="arn:aws:iam::123456789012:root"
                )
            ),
        ),
        scene,
    ),
    "keys-in-settings": (conf(broker_url="aws+sqs://KEY:secret@"), scene),
    "static-session-token": (
        conf(broker_url="aws+sqs://KEY:secret@", options={"session_token": "token"}),
        options(sts_role_arn="arn:aws:iam::123456789012:role/shop"),
    ),
    # Permissions.
    "permission-denied": (
        lambda: replace(scene(), attempts=attempt(Outcome.DENIED)),
        lambda: replace(scene(), attempts=attempt(Outcome.ALLOWED)),
    ),
    "queue-attributes-denied": (
        lambda: with_queues(scene(), attributes=denied("GetQueueAttributes")),
        scene,
    ),
    "not-examined": (lambda: replace(scene(), queue_names=denied("ListQueues")), scene),
    "request-failed": (
        lambda: with_tables(scene(), details=Look(error=ServiceFaultError("failed"))),
        scene,
    ),
    "encryption-key-denied": (
        lambda: with_tables(scene(), details=Look(error=EncryptionKeyError("no right"))),
        scene,
    ),
    # Queues.
    "queue-missing": (
        lambda: with_queues(
            scene(options={"create_missing_queues": False}), attributes=missing_queue()
        ),
        options(create_missing_queues=False),
    ),
    "queue-not-yet-made": (lambda: with_queues(scene(), attributes=missing_queue()), scene),
    "queue-delays-messages": (attributes(DelaySeconds="5"), attributes(DelaySeconds="0")),
    "retention-short": (
        attributes(MessageRetentionPeriod="3600"),
        attributes(MessageRetentionPeriod="345600"),
    ),
    "retention-below-weekend": (
        attributes(MessageRetentionPeriod="86400"),
        attributes(MessageRetentionPeriod="345600"),
    ),
    "visibility-timeout-differs": (
        attributes(VisibilityTimeout="30"),
        attributes(VisibilityTimeout="120"),
    ),
    "message-size-limited": (
        attributes(MaximumMessageSize="2048"),
        attributes(MaximumMessageSize="1048576"),
    ),
    "message-size-of-old-queue": (
        attributes(MaximumMessageSize="262144"),
        attributes(MaximumMessageSize="1048576"),
    ),
    "large-message-threshold-above-queue": (
        lambda: with_attributes(
            scene(
                options={**BUCKET["options"], "large_message_threshold_bytes": 900_000},
            ),
            MaximumMessageSize="262144",
        ),
        options(**BUCKET["options"], large_message_threshold_bytes=900_000),
    ),
    "in-flight-near-limit": (
        attributes(ApproximateNumberOfMessagesNotVisible="96000"),
        attributes(ApproximateNumberOfMessagesNotVisible="95999"),
    ),
    "queue-unencrypted": (
        attributes(SqsManagedSseEnabled="false"),
        attributes(SqsManagedSseEnabled="true"),
    ),
    "encryption-key-unusable": (
        lambda: with_queues(scene(), key=Look(answer=KeyState(usable=False, state="Disabled"))),
        lambda: with_queues(scene(), key=Look(answer=KeyState(usable=True, state="Enabled"))),
    ),
    # Names.
    "queue-names-collide": (
        conf(task_queues=[Queue("a.b"), Queue("a-b")]),
        conf(task_queues=[Queue("a.b"), Queue("a-c")]),
    ),
    "queue-name-refused": (
        conf(task_queues=[Queue("a" * 81)]),
        conf(task_queues=[Queue("a" * 80)]),
    ),
    "queue-name-changed": (conf(task_queues=[Queue("a.b")]), conf(task_queues=[Queue("a-b")])),
    "queue-not-predefined": (
        conf(
            task_routes={"proj.x": "reports"},
            options={"predefined_queues": {"celery": {"url": QUEUE_URL}}},
        ),
        options(predefined_queues={"celery": {"url": QUEUE_URL}}),
    ),
    "queue-url-of-another-region": (
        options(
            predefined_queues={
                "celery": {"url": f"{AWS_SQS.format('us-east-1')}/123456789012/celery"}
            }
        ),
        options(
            predefined_queues={
                "celery": {
                    "url": f"{AWS_SQS.format('us-east-1')}/123456789012/celery",
                    "region": "us-east-1",
                }
            }
        ),
    ),
    "backoff-task-unknown": (
        conf(
            tasks={"proj.x": {}},
            options={
                "predefined_queues": {
                    "celery": {"url": QUEUE_URL, "backoff_tasks": ["x"], "backoff_policy": {1: 2}}
                }
            },
        ),
        conf(
            tasks={"proj.x": {}},
            options={
                "predefined_queues": {"celery": {"url": QUEUE_URL, "backoff_tasks": ["proj.x"]}}
            },
        ),
    ),
    "routers-not-asked": (conf(task_routes="proj.router"), scene),
    # Dead letters.
    "queue-without-dead-letters": (
        without_dead_letters,
        lambda: without_dead_letters(options={"max_receive_count": 0}),
    ),
    "dead-letter-queue-missing": (target(attributes=missing_queue()), scene),
    "dead-letter-queue-elsewhere": (
        target(arn="arn:aws:sqs:us-east-1:123456789012:celery-dead-letter"),
        scene,
    ),
    "dead-letter-queue-of-another-type": (
        target(arn="arn:aws:sqs:eu-west-1:123456789012:celery-dead-letter.fifo"),
        scene,
    ),
    "redrive-not-allowed": (
        target(RedriveAllowPolicy='{"redrivePermission": "denyAll"}'),
        target(
            RedriveAllowPolicy='{"redrivePermission": "byQueue", "sourceQueueArns": '
            '["arn:aws:sqs:eu-west-1:123456789012:celery"]}'
        ),
    ),
    "max-receive-count-one": (target(max_receive_count=1), target(max_receive_count=10)),
    "dead-letters-waiting": (target(ApproximateNumberOfMessages="1"), scene),
    "dead-letter-retention-short": (
        target(MessageRetentionPeriod="345600"),
        target(MessageRetentionPeriod="1209600"),
    ),
    "dead-letter-size-small": (target(MaximumMessageSize="262144"), scene),
    # Policies.
    "queue-public": (
        attributes(Policy=policy(Effect="Allow", Principal="*", Action="SQS:*", Resource="*")),
        attributes(
            Policy=policy(
                Effect="Allow",
                Principal="*",
                Action="SQS:*",
                Resource="*",
                Condition={"StringEquals": {"aws:PrincipalOrgID": "o-1"}},
            )
        ),
    ),
    "queue-policy-denies": (
        attributes(
            Policy=policy(
                Effect="Deny",
                Principal={"AWS": "arn:aws:iam::123456789012:role/shop-worker"},
                Action=["sqs:ReceiveMessage"],
                Resource="*",
            )
        ),
        attributes(
            Policy=policy(
                Effect="Deny",
                Principal={"AWS": "arn:aws:iam::123456789012:role/other"},
                Action=["sqs:ReceiveMessage"],
                Resource="*",
            )
        ),
    ),
    "bucket-public": (
        lambda: with_buckets(
            scene(**BUCKET),
            public_access_blocked=Look(answer=False),
            policy=Look(
                answer=policy(Effect="Allow", Principal="*", Action="s3:GetObject", Resource="*")
            ),
        ),
        conf(**BUCKET),
    ),
    # Tables.
    "table-missing": (
        lambda: with_tables(
            scene(
                result_backend="aws+dynamodb://@eu-west-1/results?create_table=false",
            ),
            details=Look(error=TableNotFoundError("no such table")),
        ),
        scene,
    ),
    "table-not-yet-made": (
        lambda: with_tables(scene(), details=Look(error=TableNotFoundError("no such table"))),
        scene,
    ),
    "table-key-wrong": (lambda: with_details(scene(), key=(KeyAttribute(name="task"),)), scene),
    "table-not-usable": (lambda: with_details(scene(), status="ARCHIVED"), scene),
    "table-expiry-off": (
        lambda: with_tables(scene(), expiry=Look(answer=TtlDescription(status="DISABLED"))),
        scene,
    ),
    "table-expiry-of-another-attribute": (
        lambda: with_tables(
            scene(), expiry=Look(answer=TtlDescription(status="ENABLED", attribute="expires"))
        ),
        scene,
    ),
    "table-capacity-low": (
        lambda: with_details(scene(), on_demand=False, read_capacity=1, write_capacity=1),
        lambda: with_details(scene(), on_demand=False, read_capacity=5, write_capacity=5),
    ),
    "table-protection-missing": (
        lambda: with_tables(
            scene(options={"coordination_point_in_time_recovery": True}),
            recovery=Look(answer=False),
        ),
        options(coordination_point_in_time_recovery=True),
    ),
    # Buckets.
    "bucket-missing": (
        lambda: with_buckets(
            scene(**BUCKET), region=Look(error=BucketNotFoundError("no such bucket"))
        ),
        conf(**BUCKET),
    ),
    "bucket-in-another-region": (
        lambda: with_buckets(scene(**BUCKET), region=Look(answer="us-east-1")),
        conf(**BUCKET),
    ),
    "bucket-public-access-not-blocked": (
        lambda: with_buckets(scene(**BUCKET), public_access_blocked=Look(answer=False)),
        conf(**BUCKET),
    ),
    "bucket-without-lifecycle-rule": (
        lambda: with_buckets(scene(**BUCKET), rules=rule(30, prefix="other/")),
        lambda: with_buckets(scene(**BUCKET), rules=rule(30, prefix="t/")),
    ),
    "bucket-lifecycle-rule-short": (
        lambda: with_buckets(scene(**BUCKET), rules=rule(17)),
        lambda: with_buckets(scene(**BUCKET), rules=rule(18)),
    ),
    # Workers, parked tasks and leftovers.
    "parked-tasks-late": (
        lambda: with_shared(scene(), parked=Look(answer=(parked(timedelta(seconds=-901)),))),
        lambda: with_shared(scene(), parked=Look(answer=(parked(timedelta(seconds=-60)),))),
    ),
    "parked-tasks-unprotected": (
        lambda: with_shared(scene(), parked=Look(answer=(parked(timedelta(days=3)),))),
        lambda: with_shared(
            scene(options={"coordination_deletion_protection": True}),
            parked=Look(answer=(parked(timedelta(days=3)),)),
        ),
    ),
    "messages-without-workers": (
        lambda: with_shared(
            with_attributes(scene(), ApproximateNumberOfMessages="7"),
            workers=Look(answer=frozenset()),
        ),
        attributes(ApproximateNumberOfMessages="7"),
    ),
    "binding-without-queue": (
        lambda: with_shared(scene(), bindings=binding(exists=False)),
        lambda: with_shared(scene(), bindings=binding(exists=True)),
    ),
    "inboxes-orphaned": (
        lambda: names(INBOX),
        lambda: with_shared(names(INBOX), inboxes=Look(answer=frozenset({InboxId("a" * 32)}))),
    ),
    "stock-queues-left": (
        lambda: names("celeryev-6a2f41d3-4a8e-4f6d-9b47-8e3b1c5d7f00", "celery_host-celery-pidbox"),
        lambda: names("celeryev", "pidbox"),
    ),
    # Costs.
    "budget-spent": (spent(dollars=3.0), spent(dollars=1.0)),
    "budget-will-be-spent": (spent(dollars=1.5), spent(dollars=0.5)),
    "budget-unknown": (options(monthly_budget=2), spent(dollars=0.5)),
    # Settings: delivery.
    "late-acks-beyond-12-hours": (
        tasks(**SAFE, time_limit=43_201),
        tasks(**SAFE, time_limit=43_200),
    ),
    "long-tasks-acknowledged-early": (tasks(time_limit=3_600), tasks(**SAFE, time_limit=3_600)),
    "late-acks-without-worker-lost": (tasks(**LATE), tasks(**SAFE)),
    "worker-lost-without-dead-letters": (
        lambda: without_dead_letters(tasks={"proj.x": SAFE}),
        tasks(**SAFE),
    ),
    "setting-needs-late-acks": (
        conf(worker_deduplicate_successful_tasks=True),
        conf(worker_deduplicate_successful_tasks=True, task_acks_late=True),
    ),
    "fifo-acknowledged-early": (
        conf(task_queues=[Queue("a.fifo")], tasks={"proj.x": {}}),
        conf(task_queues=[Queue("a.fifo")], tasks={"proj.x": SAFE}),
    ),
    "prefetch-unlimited": (
        conf(worker_prefetch_multiplier=0),
        conf(worker_prefetch_multiplier=4),
    ),
    "prefetch-large": (conf(worker_prefetch_multiplier=64), conf(worker_prefetch_multiplier=1)),
    "priority-without-steps": (
        conf(task_routes={"proj.x": {"priority": 3}}),
        conf(task_routes={"proj.x": {"priority": 3}}, options={"priority_steps": [0, 5]}),
    ),
    "tasks-always-eager": (conf(task_always_eager=True), scene),
    # Settings: broker and workers.
    "visibility-timeout-short": (options(visibility_timeout=29), options(visibility_timeout=30)),
    "visibility-timeout-long": (
        options(visibility_timeout=43_200),
        options(visibility_timeout=120),
    ),
    "polls-do-not-wait": (options(wait_time_seconds=0), options(wait_time_seconds=20)),
    "polls-short": (options(wait_time_seconds=1), options(wait_time_seconds=20)),
    "many-queues-polled": (
        conf(task_queues=[Queue(f"q{number}") for number in range(20)]),
        conf(
            task_queues=[Queue(f"q{number}") for number in range(20)],
            options={"idle_backoff_seconds": 120},
        ),
    ),
    "gossip-on": (options(gossip=True), scene),
    "coordination-table-off": (options(coordination_table=False), scene),
    "remote-control-off": (conf(worker_enable_remote_control=False), scene),
    "connection-retry-off": (conf(broker_connection_retry=False), scene),
    "connection-retry-on-startup-off": (conf(broker_connection_retry_on_startup=False), scene),
    "running-tasks-cancelled": (
        conf(worker_cancel_long_running_tasks_on_connection_loss=True),
        scene,
    ),
    "option-without-effect": (options(supports_fanout=True), scene),
    "pickle-accepted": (conf(accept_content=["json", "pickle"]), scene),
    # Settings: results.
    "results-never-expire": (conf(result_expires=None), scene),
    "results-expire-late": (conf(result_expires=91 * 86_400), scene),
    "results-expire-soon": (conf(result_expires=3_599), conf(result_expires=3_600)),
    "stock-chords-on": (conf(result_backend_transport_options={"stock_chords": True}), scene),
    "chords-poll": (lambda: scene(result_backend=f"file://{Path.cwd()}"), scene),
    "track-started-on": (conf(task_track_started=True), scene),
}


def test_there_is_a_case_for_every_kind() -> None:
    assert list(CASES) == [kind.id for kind in KINDS]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.id)
def test_it_is_found_and_gone_after_its_remedy(kind: Kind) -> None:
    sick, mended = CASES[kind.id]

    found = [each for each in findings_of(sick()) if each.id == kind.id]

    assert found
    assert {each.severity for each in found} == {kind.severity}
    assert all(each.what and each.evidence and each.remedy for each in found)
    assert kind.id not in ids(mended())


@pytest.mark.parametrize(
    "configuration",
    [
        {},
        {"options": {"queue_name_prefix": "shop-", "priority_steps": [0, 5]}},
        {"task_queues": [Queue("a.fifo")]},
        {**BUCKET, **RESULTS_BUCKET},
        {"result_backend": None},
        {"broker_url": "memory://"},
        {"options": {"predefined_queues": {"celery": {"url": QUEUE_URL}}}},
    ],
    ids=["default", "priorities", "fifo", "buckets", "broker", "results", "predefined"],
)
@pytest.mark.parametrize("role", ["worker", "producer", "monitor"])
def test_a_healthy_deployment_has_no_findings(role: Any, configuration: dict[str, Any]) -> None:
    assert ids(scene(role, **configuration)) == []


def test_the_worst_comes_first() -> None:
    facts = with_attributes(scene(options={"gossip": True}), VisibilityTimeout="30")
    found = findings_of(with_target(facts, attributes=missing_queue()))
    assert [each.severity for each in found] == [
        Severity.ERROR,
        Severity.WARNING,
        Severity.NOTICE,
    ]


def test_of_a_kind_of_key_that_is_deleted_the_table_says_so() -> None:
    facts = with_details(scene(), status="INACCESSIBLE_ENCRYPTION_CREDENTIALS")
    found = findings_of(facts)
    assert {each.id for each in found} == {"table-not-usable"}
    assert all("KMS key" in each.remedy for each in found)


def test_results_that_never_expire_must_not_be_deleted_by_a_rule() -> None:
    facts = scene(result_expires=None, **RESULTS_BUCKET)
    assert "bucket-lifecycle-rule-short" in ids(facts)
    without = with_buckets(facts, rules=Look(answer=()))
    assert not {"bucket-lifecycle-rule-short", "bucket-without-lifecycle-rule"} & set(ids(without))


def test_dead_letters_kept_for_as_long_as_sqs_can_are_kept_long_enough() -> None:
    both = {"MessageRetentionPeriod": "1209600"}
    assert ids(with_target(with_attributes(scene(), **both), **both)) == []


def test_results_that_live_longest_count_for_a_rule() -> None:
    facts = scene(result_failure_expires=90 * 86_400, result_expires=86_400, **RESULTS_BUCKET)
    assert "bucket-lifecycle-rule-short" in ids(facts)


SHORT_RULES: list[tuple[str, bool, list[str]]] = [
    ("logs/", False, []),
    ("results/", False, []),
    ("", True, []),
    ("a1", False, ["bucket-lifecycle-rule-short"]),
    ("", False, ["bucket-lifecycle-rule-short"]),
]


@pytest.mark.parametrize(("prefix", "tagged", "found"), SHORT_RULES)
def test_a_short_rule_matters_only_where_our_objects_may_be(
    prefix: str, found: list[str], *, tagged: bool
) -> None:
    long = LifecycleRule(name="long", prefix="", expires_days=400)
    short = LifecycleRule(
        name="short", prefix=prefix, expires_days=3, whole_prefix=not tagged, tagged=tagged
    )
    bucket = {"options": {"large_message_bucket": "big"}}
    facts = with_buckets(scene(**bucket), rules=Look(answer=(long, short)))  # type: ignore[arg-type]
    assert ids(facts) == found


def test_a_rule_for_some_of_the_objects_is_not_enough() -> None:
    facts = with_buckets(scene(**BUCKET), rules=rule(30, whole_prefix=False))
    assert ids(facts) == ["bucket-without-lifecycle-rule"]


def test_a_step_that_is_not_predefined() -> None:
    known = {"celery": {"url": QUEUE_URL}}
    facts = scene(options={"predefined_queues": known, "priority_steps": [0, 5]})
    (found,) = findings_of(facts)
    assert (found.id, found.what) == ("queue-not-predefined", "queue celery-priority-5")


def test_the_mailboxes_of_others_with_a_longer_prefix_are_not_ours() -> None:
    assert ids(names(f"other-{INBOX}")) == []


def test_what_a_dead_letter_queue_does_not_tell_is_no_error() -> None:
    # Workers send there, and ask nothing.
    assert ids(with_target(scene(), attributes=denied("GetQueueAttributes"))) == ["not-examined"]


def test_keys_of_a_predefined_queue_that_aws_does_not_know() -> None:
    refused = Look[Any](error=CredentialsError("unknown", operation="GetQueueAttributes"))
    assert ids(with_queues(scene(), attributes=refused)) == ["credentials-refused"]


def test_an_emulator_is_no_reason_for_findings() -> None:
    url = "aws+sqs://test:test@localhost:4566"
    results = "aws+dynamodb://test:test@localhost:4566/results?region=eu-west-1"
    assert ids(scene(broker_url=url, result_backend=results)) == []


@pytest.mark.filterwarnings("ignore:(?s).*task attribute is deprecated")
@pytest.mark.parametrize(
    "configuration",
    [
        {"tasks": {"proj.x": {"priority": 3}}},
        {"task_default_priority": 3},
        {"task_routes": [{"proj.*": {"priority": 3}}]},
        {"beat_schedule": {"nightly": {"task": "x", "schedule": 60, "options": {"priority": 3}}}},
    ],
    ids=["task", "default", "route", "beat"],
)
def test_wherever_a_priority_is_given(configuration: dict[str, Any]) -> None:
    assert ids(scene(**configuration)) == ["priority-without-steps"]
    steps = scene(**configuration, options={"priority_steps": [0, 5]})
    assert ids(steps) == []


def test_keys_of_a_predefined_queue_are_in_the_settings_too() -> None:
    queue = {"url": QUEUE_URL, "access_key_id": "KEY", "secret_access_key": "secret"}
    facts = scene(options={"predefined_queues": {"celery": queue}})
    (found,) = findings_of(facts)
    assert (found.id, found.what) == ("keys-in-settings", "predefined_queues['celery']")
    queue["session_token"] = "token"
    assert ids(scene(options={"predefined_queues": {"celery": queue}})) == ["static-session-token"]
