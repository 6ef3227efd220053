"""Control commands on their way out. Of these, a revoke reaches what waits outside of workers.

It is remembered in the coordination table, and whoever receives a parked task looks there
(:mod:`celery_aws.broker.revoked_tasks`). Commands to workers are not carried yet.
"""

import logging
from collections.abc import Mapping
from typing import Any

from celery_aws.broker.coordination import Coordination
from celery_aws.core.control_messages import revoked_ids
from celery_aws.process import PerProcess

logger = logging.getLogger(__name__)

_warned: PerProcess[str, set[str]] = PerProcess()


def remember_revoke(message: Mapping[str, Any], coordination: Coordination) -> bool:
    """Remember the tasks that a control command revokes, before any worker hears of it.

    Args:
        message: the virtual message, as the channel is asked to publish it.
        coordination: where they are remembered.

    Returns:
        False if it revokes nothing.

    Raises:
        AwsError: they may be forgotten.

    Costs one PutItem of one unit for each task.
    """
    task_ids = revoked_ids(message)
    if not task_ids:
        return False
    coordination.revocations.add(task_ids)
    return True


def warn_of_revokes() -> None:
    """Say, once a process, whom a revoke reaches as long as workers hear of none."""
    said = _warned.get("revokes", set)
    if "revokes" not in said:
        said.add("revokes")
        logger.warning(
            "a revoke reaches only tasks that are parked in the coordination table, or were: "
            "remote control is not carried by aws+sqs:// yet, so workers do not hear of it"
        )
