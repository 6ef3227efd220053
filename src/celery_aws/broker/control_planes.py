"""The control plane of this process for one broker."""

from celery_aws.broker.coordination import Coordination
from celery_aws.broker.directory import QueueDirectory
from celery_aws.broker.status import delivery_record
from celery_aws.clock import Clock
from celery_aws.control.control_plane import ControlOptions, ControlPlane
from celery_aws.core.dead_letters import ENCRYPTION_ATTRIBUTES
from celery_aws.process import PerProcess

_per_process: PerProcess[tuple[object, ...], ControlPlane] = PerProcess()


def control_plane(
    directory: QueueDirectory, coordination: Coordination, clock: Clock
) -> ControlPlane:
    """Return this process's one for a broker and its coordination table; costs no request."""
    options = directory.options

    def make() -> ControlPlane:
        return ControlPlane(
            service=directory.service,
            bindings=coordination.bindings,
            inboxes=coordination.inboxes,
            mailboxes=coordination.mailboxes,
            options=ControlOptions(
                queue_name_prefix=options.queue_name_prefix,
                queue_tags=options.queue_tags,
                encryption={
                    key: value
                    for key, value in options.sqs_creation_attributes.items()
                    if key in ENCRYPTION_ATTRIBUTES
                },
                wait_time_seconds=options.wait_time_seconds,
                inbox_lease_seconds=options.inbox_lease_seconds,
                event_heartbeat_seconds=options.event_heartbeat_seconds,
                highest_priority=options.highest_priority,
            ),
            count_dropped=lambda events: delivery_record().count("events_dropped", events),
            clock=clock,
        )

    # Both are this process's only ones of their kind, and live as long as it.
    return _per_process.get((directory, coordination, clock), make)
