"""Gathers the facts of a deployment, and lets the checks look at them."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from celery_aws.aws.access import Access
from celery_aws.aws.dynamodb import DynamoTableService
from celery_aws.aws.identity import Identity
from celery_aws.broker.coordination import Coordination
from celery_aws.clock import Clock, SystemClock
from celery_aws.deployment import Deployment, PlannedTable, deployment_of
from celery_aws.doctor.examined import Attempt, Connection, ExaminedQueue
from celery_aws.doctor.facts import Facts, Role, Shared
from celery_aws.doctor.gathering.attempts import attempts_of
from celery_aws.doctor.gathering.buckets import buckets_of
from celery_aws.doctor.gathering.celery_app import celery_facts
from celery_aws.doctor.gathering.connections import connections_of, identity_of
from celery_aws.doctor.gathering.queues import queue_names, queues_of
from celery_aws.doctor.gathering.shared import shared_of
from celery_aws.doctor.gathering.spending import spending_of
from celery_aws.doctor.gathering.tables import tables_of
from celery_aws.doctor.look import Look
from celery_aws.doctor.report import Report, report_of
from celery_aws.table.coordination import CoordinationTable

_CLOCK = SystemClock()


def diagnose(
    app: Any, *, role: Role = "worker", queues: Iterable[str] = (), clock: Clock = _CLOCK
) -> Report:
    """Return what is wrong with an app's deployment, or will be. Nothing is changed.

    Args:
        app: a Celery app whose broker or result backend is ours.
        role: of the processes that the credentials are for.
        queues: Celery's names of queues that the configuration does not name.
        clock: of this machine.

    Raises:
        ConfigurationError: neither is ours, or a setting is wrong.

    Costs nine requests; six for each queue, three for each dead-letter queue, nine for each table,
    some six for each bucket, one more for each 1,000 queues with the prefix, and one if there is a
    budget.
    """
    return report_of(facts_of(app, role=role, queues=tuple(queues), clock=clock))


def facts_of(app: Any, *, role: Role, queues: tuple[str, ...], clock: Clock) -> Facts:
    """Return what there is to know; see :func:`diagnose`."""
    deployment = deployment_of(app, queues=queues)
    connections = tuple(connections_of(deployment, clock))
    usable = _usable_part(deployment, connections)
    access = usable.broker or next((table.access for table in usable.tables), None)
    identity = Look[Identity]() if access is None else identity_of(access)
    examined = tuple(queues_of(usable)) if usable.broker is not None else ()
    tables = tuple(tables_of(usable))
    queues_there = [each for each in examined if each.url and not each.attributes.missing]
    tables_there = [each.planned for each in tables if not each.details.missing]
    shared = _coordination(usable, tables_there, clock)
    return Facts(
        role=role,
        deployment=deployment,
        celery=celery_facts(app, queues),
        now_epoch_seconds=clock.now().timestamp(),
        connections=connections,
        identity=identity,
        queues=examined,
        tables=tables,
        buckets=tuple(buckets_of(usable)) if access is not None else (),
        attempts=_attempts(usable, role, identity.answer, access),
        # The queues before the registry: who makes an inbox registers it first.
        queue_names=queue_names(usable),
        shared=_shared(app, usable, shared, queues_there),
        spending=spending_of(usable, shared, clock),
    )


def _attempts(
    usable: Deployment, role: Role, identity: Identity | None, access: Access | None
) -> tuple[Attempt, ...]:
    if identity is None or access is None:
        return ()
    return tuple(attempts_of(usable, role, identity, access))


def _usable_part(deployment: Deployment, connections: Iterable[Connection]) -> Deployment:
    """Return what of a deployment can be asked: each question else takes until its deadline."""
    answering = {(each.service, each.access.key()) for each in connections if each.usable}
    broker, tables = deployment.broker, deployment.tables
    if broker is not None and ("sqs", broker.key()) not in answering:
        broker = None
    return replace(
        deployment,
        broker=broker,
        queues=deployment.queues if broker is not None else (),
        tables=tuple(each for each in tables if ("dynamodb", each.access.key()) in answering),
    )


def _coordination(
    usable: Deployment, tables: Iterable[PlannedTable], clock: Clock
) -> Coordination | None:
    table = next((each for each in tables if each.kind == "coordination"), None)
    if table is None or usable.options is None or usable.broker is None:
        return None
    # Not the transport's own, which makes a table that is missing when it writes.
    found = CoordinationTable(
        service=DynamoTableService(table.access), name=table.name, creates=False, clock=clock
    )
    return Coordination.on(found)


def _shared(
    app: Any,
    usable: Deployment,
    coordination: Coordination | None,
    queues: Iterable[ExaminedQueue],
) -> Shared:
    options, broker = usable.options, usable.broker
    if coordination is None or options is None or broker is None:
        return Shared()
    return shared_of(
        coordination,
        options,
        broker,
        mailboxes=f"{app.conf.control_exchange}.pidbox",
        queues=[each.name for each in queues],
    )
