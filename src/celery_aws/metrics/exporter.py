"""The standalone exporter: what no worker alone can tell of a deployment.

It hears events as any monitor does, and looks at queues, parked tasks and workers at intervals of
its own. Each part can be left out, and then costs nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from celery_aws.aws.queue_ages import CloudWatchQueueAges
from celery_aws.background import BackgroundThread
from celery_aws.broker.directory import broker_access
from celery_aws.broker.transport import Transport
from celery_aws.core.queue_depth import QueueDepth
from celery_aws.deployment.app_queues import app_queues
from celery_aws.errors import ConfigurationError
from celery_aws.metrics import catalog
from celery_aws.metrics.bounded_names import BoundedNames
from celery_aws.metrics.cost_look import COST_SECONDS, CostLook
from celery_aws.metrics.end_rates import EndRates
from celery_aws.metrics.event_counts import EventCounts
from celery_aws.metrics.event_listener import EventListener
from celery_aws.metrics.fleet_look import FleetLook, RegistryLook
from celery_aws.metrics.process_source import UsageSource
from celery_aws.metrics.queue_look import AgeLook, QueueLook
from celery_aws.metrics.reader import Reader, Round
from celery_aws.metrics.samples import Sample, Source, Sources
from celery_aws.metrics.schedule_look import ScheduleLook
from celery_aws.metrics.task_routes import TaskRoutes
from celery_aws.names import AmqpQueue

#: Seconds for the threads of an exporter that ends.
STOP_SECONDS: Final = 5.0


@dataclass(frozen=True, kw_only=True)
class ExporterSettings:
    """What an exporter looks at.

    Attributes:
        queues: Celery's names of queues, beside those that the app names.
        queue_seconds: how often queues, and who is registered, are looked at.
        schedule_seconds: how often parked tasks are counted, at most; 0 is never.
        inspect_seconds: how often workers are asked what they consume; 0 is never.
        events: hear events.
        oldest_age: ask CloudWatch for the age of the oldest messages, once a minute at most.
        by_host: tell workers apart.
        cost_seconds: how often what the month has cost is looked at; 0 is never, None is each hour
            if there is a budget.
    """

    queues: tuple[str, ...] = ()
    queue_seconds: float = 60.0
    schedule_seconds: float = 300.0
    inspect_seconds: float = 300.0
    events: bool = True
    oldest_age: bool = False
    by_host: bool = True
    cost_seconds: float | None = None


class Exporter:
    """What is known of a deployment, as a source; making it costs no request.

    Args:
        app: the Celery app.
        broker: its transport.
        settings: what to look at.

    Attributes:
        source: everything that is known.
        reader: looks at what AWS has to be asked for.
        events: counts events; None without them.

    Raises:
        ConfigurationError: events are wanted, and the coordination table is off.
    """

    def __init__(self, app: Any, broker: Transport, settings: ExporterSettings) -> None:
        self._app = app
        self._broker = broker
        self._settings = settings
        self._clock = broker.clock
        named = app_queues(app, others=settings.queues).queues
        self._names = tuple(queue.name for queue in named)
        for queue in named:
            if queue.max_priority is not None:
                broker.directory.set_max_priority(queue.name, queue.max_priority)
        self._rates = EndRates(self._clock)
        self._fleet = FleetLook(app, self._names)
        self._threads: list[BackgroundThread] = []
        self.reader = Reader(list(self._rounds()), self._clock)
        self.events = self._hear_events() if settings.events else None
        sources: list[Source] = [self.reader, UsageSource()]
        self.source = Sources(sources if self.events is None else [*sources, self.events])
        self._threads.append(self.reader)

    def start(self) -> None:
        """Begin to listen and to look."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop; the inbox goes with the process."""
        for thread in self._threads:
            thread.stop(0)
        for thread in self._threads:
            thread.stop(STOP_SECONDS)

    def _queues(self) -> Iterable[str]:
        """Return the queues of the app, and those that workers consume."""
        return {*self._names, *self._fleet.workers}

    def _rounds(self) -> Iterable[Round]:
        settings, directory = self._settings, self._broker.directory
        shared = self._broker.coordination
        # First, so that a first look at queues knows their workers.
        if settings.inspect_seconds and shared is not None:
            yield Round(what="workers", every_seconds=settings.inspect_seconds, look=self._fleet)
        yield Round(
            what="queues",
            every_seconds=settings.queue_seconds,
            look=QueueLook(directory, self._queues, self._derived),
        )
        if shared is not None:
            registry = RegistryLook(self._app, shared.bindings)
            yield Round(what="registry", every_seconds=settings.queue_seconds, look=registry)
        if settings.schedule_seconds and shared is not None:
            schedule = ScheduleLook(shared.schedule)
            yield Round(what="schedule", every_seconds=settings.schedule_seconds, look=schedule)
        budget = self._broker.options.monthly_budget
        cost_seconds = settings.cost_seconds
        if cost_seconds is None and budget is not None:
            cost_seconds = COST_SECONDS
        if cost_seconds and shared is not None:
            region = broker_access(self._broker.url, self._broker.options).region
            cost = CostLook(shared.usage, region, budget, self._clock)
            yield Round(what="cost", every_seconds=cost_seconds, look=cost)
        if settings.oldest_age:
            access = broker_access(self._broker.url, self._broker.options)
            ages = CloudWatchQueueAges(access, self._clock)
            look = AgeLook(directory, self._queues, ages)
            yield Round(what="ages", every_seconds=max(60.0, settings.queue_seconds), look=look)

    def _derived(self, queue: str, depth: QueueDepth) -> Iterable[Sample]:
        """Yield what follows from a depth and what is known of the workers."""
        workers = self._fleet.workers.get(queue)
        if workers is not None:
            # Without a worker as if there were one: a scaler that multiplies gets off zero.
            backlog = depth.visible / max(1, workers)
            yield Sample(catalog.BACKLOG_PER_WORKER, (queue,), backlog)
        if self._settings.events:
            rate = self._rates.a_second(queue)
            seconds = depth.visible / rate if rate else float("inf")
            yield Sample(catalog.TIME_TO_DRAIN, (queue,), seconds if depth.visible else 0.0)

    def _hear_events(self) -> EventCounts:
        if self._broker.coordination is None:
            raise ConfigurationError(
                "events need the coordination table, which is off: leave them out (--no-events)",
                where="broker_transport_options",
                key="coordination_table",
            )
        routes = TaskRoutes(self._app)
        counts = EventCounts(
            names=BoundedNames(lambda: self._app.tasks),
            queues=BoundedNames(self._queue_names),
            route=routes.queue_of,
            on_end=self._rates.note,
            by_host=self._settings.by_host,
            clock=self._clock,
        )
        self._threads.append(EventListener(self._app, counts.handle, self._clock))
        return counts

    def _queue_names(self) -> frozenset[AmqpQueue]:
        return frozenset(map(AmqpQueue, self._queues()))
