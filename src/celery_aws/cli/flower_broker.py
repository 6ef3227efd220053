"""Where Flower looks at the broker: its page ``/broker`` and ``/api/queues/length``, for SQS.

Flower knows the queues of RabbitMQ and Redis, picks one by the scheme of the broker's URL, and
answers 404 for any other; it has no place to add one (flower/utils/broker.py, 2.0 to 2.2). So two
handlers stand in front of Flower's own. Authentication, template and the names of the queues that
workers consume stay Flower's.
"""

import asyncio
import logging
from typing import Any

from flower.api.tasks import GetQueueLengths
from flower.app import rewrite_handler
from flower.views.broker import BrokerView
from kombu import Queue
from kombu.transport.base import to_rabbitmq_queue_arguments
from tornado.web import authenticated, url

from celery_aws.broker.directory import QueueDirectory
from celery_aws.broker.queue_depths import depth_of_queue
from celery_aws.core.queue_depth import QueueDepth
from celery_aws.errors import CeleryAwsError
from celery_aws.names import AmqpQueue

logger = logging.getLogger(__name__)

#: A row of Flower's table of queues: RabbitMQ's words for what it knows of a queue.
Row = dict[str, Any]


class BrokerQueues:
    """The queues of an app, as rows of Flower's table.

    Args:
        app: the Celery app that Flower runs for.
        directory: of the app's broker.
    """

    def __init__(self, app: Any, directory: QueueDirectory) -> None:
        self._app = app
        self._directory = directory

    def names(self, active: list[str]) -> list[str]:
        """Return which queues to show, each once.

        Args:
            active: those that workers consume, or else the app's, as Flower tells. A queue of the
                app's own that no worker consumes is the one to see, so it is among them always.
        """
        return sorted({*active, *self._app.amqp.queues})

    def row(self, name: str) -> Row:
        """Return what is known of a queue; of one that is missing, or cannot be seen, its name.

        Costs what :func:`celery_aws.broker.queue_depths.depth_of_queue` costs.
        """
        queue = AmqpQueue(name)
        try:
            self._learn_priorities(queue)
            return _row(queue, depth_of_queue(self._directory, queue))
        except CeleryAwsError as error:
            logger.warning("queue %r is shown without its messages: %s", name, error)
            return _row(queue, None)

    def _learn_priorities(self, queue: AmqpQueue) -> None:
        # Flower declares no queue, by which every other process learns of them.
        declared = self._app.amqp.queues.get(queue)
        highest = self._app.conf.task_queue_max_priority
        if declared is not None:
            highest = _max_priority(declared)
        if highest is not None:
            self._directory.set_max_priority(queue, highest)


class BrokerPage(BrokerView):
    """``/broker``, in Flower's own template."""

    def initialize(self, queues: BrokerQueues) -> None:
        """Take what the page shows."""
        self._queues = queues

    @authenticated
    async def get(self) -> None:
        """Show the queues."""
        rows = await _rows(self, self._queues)
        with self.capp.connection_for_write() as connection:
            self.render("broker.html", broker_url=connection.as_uri(), queues=rows)


class QueueLengths(GetQueueLengths):
    """``/api/queues/length``."""

    def initialize(self, queues: BrokerQueues) -> None:
        """Take what the answer tells."""
        self._queues = queues

    @authenticated
    async def get(self) -> None:
        """Answer with the queues as JSON."""
        self.write({"active_queues": await _rows(self, self._queues)})


def add_broker_pages(flower: Any, queues: BrokerQueues) -> None:
    """Let a Flower answer for the broker; costs no request.

    Args:
        flower: a ``flower.app.Flower`` that is not started yet.
        queues: what it shows.
    """
    pages = [
        url("/broker", BrokerPage, {"queues": queues}),
        url("/api/queues/length", QueueLengths, {"queues": queues}),
    ]
    prefix = flower.options.url_prefix
    if prefix:
        pages = [rewrite_handler(page, prefix) for page in pages]
    # What is added later comes before what the application was made with.
    flower.add_handlers(r".*", pages)


async def _rows(handler: Any, queues: BrokerQueues) -> list[Row]:
    """Ask for all queues at once, in the threads in which Flower asks its workers."""
    loop = asyncio.get_running_loop()
    names = queues.names(handler.get_active_queue_names())
    executor = handler.application.executor
    asked = [loop.run_in_executor(executor, queues.row, name) for name in names]
    return list(await asyncio.gather(*asked))


def _row(queue: AmqpQueue, depth: QueueDepth | None) -> Row:
    if depth is None:
        return {"name": queue}
    return {
        "name": queue,
        "messages": depth.messages,
        "messages_ready": depth.visible,
        "messages_unacknowledged": depth.in_flight,
        "messages_delayed": depth.delayed,
    }


def _max_priority(queue: Queue) -> int | None:
    arguments = to_rabbitmq_queue_arguments(
        queue.queue_arguments or {}, max_priority=queue.max_priority
    )
    found: int | None = arguments.get("x-max-priority")
    return found
