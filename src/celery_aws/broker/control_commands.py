"""Control commands on their way out. Of these, a revoke reaches also what waits outside of workers.

It is remembered in the coordination table, and whoever receives a parked task looks there
(:mod:`celery_aws.broker.revoked_tasks`).
"""

import logging
from collections.abc import Callable

from celery_aws.background import BackgroundThread
from celery_aws.broker.coordination import Coordination
from celery_aws.core.control_messages import ControlCommand
from celery_aws.errors import CeleryAwsError

logger = logging.getLogger(__name__)

#: What a worker asks others at its start, to know what was revoked (celery's mingle): only for that
#: must it not stand still.
HELLO = "hello"

#: Seconds for which a worker's start waits until that is sent: it is soon, or AWS does not answer.
HELLO_WAIT_SECONDS = 3.0


def remember_revoke(command: ControlCommand, coordination: Coordination) -> None:
    """Remember the tasks that a control command revokes, before any worker hears of it.

    Raises:
        AwsError: they may be forgotten.

    Costs one PutItem of one unit for each task.
    """
    if command.task_ids:
        coordination.revocations.add(command.task_ids)


def say_hello(send: Callable[[], None]) -> None:
    """Ask the other workers, but do not keep a worker from its tasks: what fails is only logged.

    Args:
        send: asks them; it is left alone if it takes too long.
    """
    hello = _Hello(send)
    hello.start()
    if not hello.stop(HELLO_WAIT_SECONDS):
        logger.warning(
            "other workers cannot be asked what was revoked: no answer from AWS within %.0f s",
            HELLO_WAIT_SECONDS,
        )


class _Hello(BackgroundThread):
    def __init__(self, send: Callable[[], None]) -> None:
        super().__init__("celery-aws-hello")
        self._send = send

    def run(self) -> None:
        try:
            self._send()
        except CeleryAwsError as error:
            # Also what is too large: a worker tells all the revokes that it knows.
            logger.warning("other workers cannot be asked what was revoked: %s", error)
