"""A publishing process: a Celery app on our transport, whose time is that of the world."""

from datetime import datetime
from typing import Any

from celery import Celery

from tests.simulation.clocks import WorldClock

#: Nobody listens there: whatever does not go to the doubles fails at once.
URL = "aws+sqs://AKIAKEY:secret@localhost:1"


class WorldApp(Celery):
    """An app that takes the world's time for countdowns."""

    world_clock: WorldClock

    def now(self) -> datetime:
        """Return the time from which a countdown counts."""
        return self.world_clock.now()


class Publisher:
    """Sends tasks as an application does, through one connection."""

    def __init__(self, clock: WorldClock, **conf: Any) -> None:
        self.app = WorldApp("shop", broker=URL, set_as_current=False, **conf)
        self.app.world_clock = clock
        self.app.conf.broker_transport_options = {
            "region": "eu-west-1",
            "visibility_timeout": 3,
            "max_receive_count": 0,
        }

        @self.app.task(name="shop.mail", bind=True, shared=False, max_retries=None)
        def mail(self: Any, *_: Any) -> None: ...

        self.mail = mail
        self.connection = self.app.connection_for_write()
        # Not by the app's pool, which apps share.
        self.producer = self.app.amqp.Producer(self.connection)

    def send(self, task_id: str, **options: Any) -> None:
        """Send one task; its queue exists when this has returned."""
        self.app.send_task(
            "shop.mail",
            ["somebody@example.org", "the subject of a message"],
            {"copy": True},
            task_id=task_id,
            ignore_result=True,
            producer=self.producer,
            **options,
        )

    def retry(self, task_id: str, countdown: float) -> None:
        """Send a task again as a task does that is running."""
        self.mail.push_request(
            id=task_id,
            args=["somebody@example.org"],
            kwargs={},
            retries=0,
            called_directly=False,
            delivery_info={"exchange": "", "routing_key": "celery"},
        )
        try:
            self.mail.retry(countdown=countdown, throw=False, producer=self.producer)
        finally:
            self.mail.pop_request()

    def close(self) -> None:
        """End the connection."""
        self.connection.close()
        self.app.close()
