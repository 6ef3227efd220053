"""A provisioned deployment as facts, and ways to spoil it."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

from celery import Celery

from celery_aws.aws.access import Access
from celery_aws.aws.identity import Identity
from celery_aws.aws.table_administration import TableDetails
from celery_aws.aws.table_schema import TtlDescription
from celery_aws.core.lifecycle_rules import LifecycleRule
from celery_aws.core.parked_tasks import ParkedTask
from celery_aws.core.queue_plan import PlannedQueue, QueueRole
from celery_aws.deployment import deployment_of
from celery_aws.doctor.catalogue import findings_of
from celery_aws.doctor.examined import (
    Connection,
    DeadLetterTarget,
    ExaminedBucket,
    ExaminedQueue,
    ExaminedTable,
)
from celery_aws.doctor.facts import Facts, Role, Shared
from celery_aws.doctor.gathering.celery_app import celery_facts
from celery_aws.doctor.look import Look
from celery_aws.names import AccountId, AmqpQueue, QueueArn, QueueUrl
from tests.lonely_apps import lonely

REGION = "eu-west-1"
ACCOUNT = "123456789012"
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=timezone.utc)


def app_with(
    *,
    broker_url: str = "aws+sqs://",
    result_backend: str | None = "aws+dynamodb://@eu-west-1/results",
    options: Mapping[str, Any] | None = None,
    tasks: Mapping[str, Mapping[str, Any]] | None = None,
    **conf: Any,
) -> Celery:
    """Return an app: ``tasks`` are options by task name, the others Celery's settings."""
    app = Celery("proj", set_as_current=False, broker=broker_url, backend=result_backend)
    app.conf.update(conf)
    app.conf.broker_transport_options = {"region": REGION, **(options or {})}
    lonely(app)
    for name, of_task in (tasks or {}).items():
        app.task(name=name, shared=False, **of_task)(_work)
    return app


def scene(role: Role = "worker", **configuration: Any) -> Facts:
    """Return the facts of a deployment that is as its configuration asks for."""
    app = app_with(**configuration)
    deployment = deployment_of(app)
    accesses = [("sqs", "the broker", deployment.broker)] if deployment.broker else []
    accesses += [("dynamodb", f"the {each.kind} table", each.access) for each in deployment.tables]
    return Facts(
        role=role,
        deployment=deployment,
        celery=celery_facts(app),
        now_epoch_seconds=NOW.timestamp(),
        connections=tuple(
            Connection(service=service, purpose=purpose, access=access, reached=Look(answer=0.2))  # type: ignore[arg-type]
            for service, purpose, access in accesses
        ),
        identity=Look(answer=_identity()),
        queues=tuple(
            _queue(each, deployment.access_of(each))
            for each in deployment.with_role(QueueRole.TASKS, QueueRole.PRIORITY)
        ),
        tables=tuple(
            ExaminedTable(
                planned=each,
                details=Look(
                    answer=TableDetails(
                        arn=f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{each.name}",
                        status="ACTIVE",
                        on_demand=True,
                        key=each.spec.key,
                        deletion_protection=each.spec.deletion_protection,
                    )
                ),
                expiry=Look(
                    answer=TtlDescription(status="ENABLED", attribute=each.purpose.ttl_attribute)
                ),
                recovery=Look(answer=each.spec.point_in_time_recovery),
            )
            for each in deployment.tables
        ),
        buckets=tuple(
            ExaminedBucket(
                planned=each,
                region=Look(answer=each.access.region),
                public_access_blocked=Look(answer=True),
                policy=Look(answer=""),
                rules=Look(answer=(LifecycleRule(name="r", prefix="", expires_days=30),)),
            )
            for each in deployment.buckets
        ),
        shared=Shared(
            inboxes=Look(answer=frozenset()),
            bindings=Look(answer=()),
            workers=Look(answer=frozenset({"celery@a.celery.pidbox"})),
            parked=Look(answer=()),
        ),
        queue_names=Look(answer=tuple(each.name for each in deployment.queues)),
    )


def ids(facts: Facts) -> list[str]:
    """Return the ids of what is found, each once."""
    return list(dict.fromkeys(finding.id for finding in findings_of(facts)))


def with_attributes(facts: Facts, **attributes: str) -> Facts:
    """Change attributes of all queues; an empty text removes one."""
    return replace(
        facts,
        queues=tuple(
            replace(each, attributes=Look(answer=_changed(each.attributes.answer, attributes)))
            for each in facts.queues
        ),
    )


def with_queues(facts: Facts, **changes: Any) -> Facts:
    """Change what was seen of all queues."""
    return replace(facts, queues=tuple(replace(each, **changes) for each in facts.queues))


def with_target(facts: Facts, **changes: Any) -> Facts:
    """Change what was seen of the dead-letter queues; other names are attributes of theirs."""
    fields = {key: changes.pop(key) for key in list(changes) if key[0].islower()}

    def changed(target: DeadLetterTarget) -> DeadLetterTarget:
        kept = Look(answer=_changed(target.attributes.answer, changes))
        return replace(target, **{"attributes": kept, **fields})

    return replace(
        facts,
        queues=tuple(
            replace(each, dead_letters=each.dead_letters and changed(each.dead_letters))
            for each in facts.queues
        ),
    )


def with_tables(facts: Facts, **changes: Any) -> Facts:
    """Change what was seen of all tables."""
    return replace(facts, tables=tuple(replace(each, **changes) for each in facts.tables))


def with_details(facts: Facts, **changes: Any) -> Facts:
    """Change what DescribeTable said of all tables."""
    tables = (
        replace(each, details=Look(answer=replace(each.details.answer, **changes)))
        for each in facts.tables
        if each.details.answer is not None
    )
    return replace(facts, tables=tuple(tables))


def with_buckets(facts: Facts, **changes: Any) -> Facts:
    """Change what was seen of all buckets."""
    return replace(facts, buckets=tuple(replace(each, **changes) for each in facts.buckets))


def with_connections(facts: Facts, **changes: Any) -> Facts:
    """Change what was seen of all connections."""
    return replace(facts, connections=tuple(replace(each, **changes) for each in facts.connections))


def with_shared(facts: Facts, **changes: Any) -> Facts:
    """Change what was seen in the coordination table."""
    return replace(facts, shared=replace(facts.shared, **changes))


def policy(**statement: Any) -> str:
    """Return a policy of one statement."""
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def parked(due_in: timedelta) -> ParkedTask:
    """Return a parked task."""
    return ParkedTask(
        key={},
        task_id="some-task",
        task="proj.x",
        due=NOW + due_in,
        send_after=NOW + due_in,
        queue=AmqpQueue("celery"),
        queue_url=QueueUrl("https://sqs.eu-west-1.amazonaws.com/123456789012/celery"),
    )


def _work() -> None: ...


def _identity() -> Identity:
    arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/shop-worker/i-1"
    return Identity(account=AccountId(ACCOUNT), arn=arn)


def _queue(planned: PlannedQueue, access: Access) -> ExaminedQueue:
    start = f"arn:aws:sqs:{REGION}:{ACCOUNT}"
    fifo = ".fifo" if planned.fifo else ""
    name = planned.dead_letter_queue or f"dead-letters{fifo}"
    attributes = {
        "QueueArn": f"{start}:{planned.name}",
        "VisibilityTimeout": planned.attributes.get("VisibilityTimeout", "120"),
        "MessageRetentionPeriod": "345600",
        "MaximumMessageSize": "1048576",
        "DelaySeconds": "0",
        "ApproximateNumberOfMessages": "0",
        "ApproximateNumberOfMessagesNotVisible": "0",
        "SqsManagedSseEnabled": "true",
    }
    target = DeadLetterTarget(
        arn=QueueArn(f"{start}:{name}"),
        max_receive_count=planned.max_receive_count or 10,
        attributes=Look(
            answer={
                **attributes,
                "QueueArn": f"{start}:{name}",
                "MessageRetentionPeriod": "1209600",
            }
        ),
    )
    return ExaminedQueue(
        planned=planned,
        access=access,
        url=QueueUrl(f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{planned.name}"),
        attributes=Look(answer=attributes),
        dead_letters=target,
    )


def _changed(known: Mapping[str, str] | None, changes: Mapping[str, str]) -> Mapping[str, str]:
    merged = {**(known or {}), **changes}
    return {name: value for name, value in merged.items() if value != ""}
