"""Tells other processes that bindings changed, so that they need not ask all the time.

A notice may be lost, and nobody sends it again: what was read is not believed for ever
(:mod:`celery_aws.control.routes`).
"""

import logging
from collections.abc import Callable, Collection

from celery_aws.control.courier import Courier
from celery_aws.control.routes import Routes
from celery_aws.core.control_messages import is_control_exchange
from celery_aws.core.parcels import Parcel
from celery_aws.errors import AwsError, QueueNotFoundError
from celery_aws.names import InboxId
from celery_aws.table.inboxes import Inboxes

logger = logging.getLogger(__name__)


class Notices:
    """The notices of one process; thread-safe.

    Args:
        inboxes: whom to tell.
        courier: sends them.
        routes: of this process, which is told without SQS.
        own: tells the inbox of this process; an empty one if there is none.
    """

    def __init__(
        self, inboxes: Inboxes, courier: Courier, routes: Routes, *, own: Callable[[], InboxId]
    ) -> None:
        self._inboxes = inboxes
        self._courier = courier
        self._routes = routes
        self._own = own

    def send(self, exchanges: Collection[str]) -> None:
        """Tell every process with an inbox; what fails is only logged.

        Not of control commands, whose bindings nobody keeps, nor of the default exchange.

        Args:
            exchanges: whose bindings changed.

        Costs one Query, and one SendMessage for each process.
        """
        self._routes.changed(exchanges)
        told = tuple(each for each in exchanges if each and not is_control_exchange(each))
        if not told:
            return
        try:
            own = self._own()
            urls = [each.url for each in self._inboxes.all() if each.url and each.inbox != own]
            failures = self._courier.send_all(urls, Parcel(changed=told))
        except AwsError as error:
            logger.warning("other processes learn late of bindings to %s: %s", told, error)
            return
        for url, failure in failures.items():
            level = logging.DEBUG if isinstance(failure, QueueNotFoundError) else logging.WARNING
            logger.log(level, "inbox %s learns late of bindings to %s: %s", url, told, failure)
