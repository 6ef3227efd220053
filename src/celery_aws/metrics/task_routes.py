"""Which queue an app routes a task to, by its name alone."""

import logging
from typing import Any, Final

logger = logging.getLogger(__name__)

#: How many names are remembered.
_REMEMBERED: Final = 1_000


class TaskRoutes:
    """The routes of an app. A router that wants more than the name may say something else.

    Args:
        app: the Celery app.
    """

    def __init__(self, app: Any) -> None:
        self._app = app
        self._known: dict[str, str] = {}

    def queue_of(self, task: str) -> str:
        """Return Celery's name of the queue; the default queue where routers fail."""
        if task not in self._known:
            if len(self._known) >= _REMEMBERED:
                return str(self._app.conf.task_default_queue)
            self._known[task] = self._route(task)
        return self._known[task]

    def _route(self, task: str) -> str:
        queue = getattr(self._app.tasks.get(task), "queue", None)
        try:
            route = self._app.amqp.router.route({"queue": queue} if queue else {}, task, (), {})
        except Exception as error:  # noqa: BLE001 - the user's own functions
            logger.info("task_routes cannot be asked about %s: %s", task, error)
            return str(self._app.conf.task_default_queue)
        found = route.get("queue")
        return str(getattr(found, "name", found) or self._app.conf.task_default_queue)
