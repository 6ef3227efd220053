"""Where queues are: from Celery's queue name to a URL and the service that may use it.

URLs are asked for by GetQueueUrl, one queue at a time, and remembered; ListQueues is never
called (it ends at 1,000 queues and needs a right on all of them). A queue that is missing is
created when that is allowed, and an existing one is never changed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from celery_aws.aws.access import Access, access_of
from celery_aws.aws.sqs import QueueService, SqsQueueService
from celery_aws.broker.creation import QueueCreation
from celery_aws.broker.priority_queues import PriorityQueues
from celery_aws.clock import Clock, SystemClock
from celery_aws.config.broker import BrokerOptions, PredefinedQueue
from celery_aws.config.credentials import credentials_or_none
from celery_aws.config.urls import BrokerUrl
from celery_aws.core.priorities import Priorities
from celery_aws.core.queue_names import is_fifo, name_of_url, name_problem, queue_name
from celery_aws.errors import AccessDeniedError, ConfigurationError, QueueNotFoundError
from celery_aws.names import AmqpQueue, QueueName, QueueUrl
from celery_aws.process import PerProcess

#: Makes the service that asks with one access: :class:`SqsQueueService`, or a test's double.
ServiceFactory = Callable[[Access], QueueService]

_CLOCK = SystemClock()

#: Celery's default queue, asked for when a connection has to be proved.
PROBE_QUEUE = AmqpQueue("celery")


@dataclass(frozen=True, kw_only=True)
class QueueAddress:
    """A queue's URL, with the service whose credentials reach it."""

    url: QueueUrl
    service: QueueService


class QueueDirectory:
    """Finds, creates and remembers queues; safe to share between threads.

    One process has one directory for one broker configuration, so that a pool of connections
    asks for each URL once.

    Args:
        options: the broker's options.
        access: where the broker is and who asks.
        services: makes the service for it, and for predefined queues with their own access.
        clock: for the pauses after a queue was created.

    Attributes:
        service: asks SQS for all queues but predefined ones with an access of their own.
    """

    def __init__(
        self,
        options: BrokerOptions,
        access: Access,
        services: ServiceFactory = SqsQueueService,
        clock: Clock = _CLOCK,
    ) -> None:
        self.options = options
        self._access = access
        self._services = services
        self.service = services(access)
        self._priorities = PriorityQueues(options)
        self._creation = QueueCreation(self.service, options, clock)
        self._addresses: dict[QueueName, QueueAddress] = {}
        self._reachable = False

    def name(self, queue: AmqpQueue) -> QueueName:
        """Return the queue's name on AWS."""
        return queue_name(queue, self.options.queue_name_prefix)

    def address(self, queue: AmqpQueue) -> QueueAddress:
        """Return where ``queue`` is, creating it if it is missing and that is allowed.

        Raises:
            QueueNotFoundError: it is missing, and may not be created.
            AccessDeniedError: the queue may neither be seen nor created.

        Costs nothing once known; else one GetQueueUrl, and if it is missing what
        :meth:`celery_aws.broker.creation.QueueCreation.create` costs.
        """
        name = self.name(queue)
        try:
            return self._addresses[name]
        except KeyError:
            pass
        address = self._find_or_create(queue, name)
        self._addresses[name] = address
        return address

    def known(self, queue: AmqpQueue) -> bool:
        """Tell whether it is known where ``queue`` is; costs nothing."""
        return self.name(queue) in self._addresses

    def at(self, queue: AmqpQueue, url: QueueUrl) -> QueueAddress:
        """Return who sends to ``queue``, which was at ``url``; costs nothing.

        It is there and nowhere else, whatever is called so here: who parked the message may be
        another app on the same table.
        """
        predefined = self.predefined(queue)
        if predefined is not None and predefined.url == url:
            return self.address(queue)
        return QueueAddress(url=url, service=self.service)

    def set_max_priority(self, queue: AmqpQueue, max_priority: int) -> None:
        """Remember that ``queue`` has priorities up to its ``x-max-priority``."""
        self._priorities.declare(queue, max_priority)

    def declare(self, queue: AmqpQueue) -> None:
        """Make sure that ``queue`` exists, with the queues of its priorities.

        Raises:
            QueueNotFoundError: as :meth:`address`, for any of them.

        Costs what :meth:`address` costs, for each of them.
        """
        self.check(queue)
        for each in self.priority_queues(queue):
            self.address(each)

    def check(self, queue: AmqpQueue) -> None:
        """Make sure that ``queue`` may exist, as far as that is known without asking AWS.

        Raises:
            QueueNotFoundError: it is not among the predefined queues.
            ConfigurationError: SQS takes no such name.
        """
        queues = self.priority_queues(queue)
        missing = [each for each in queues if self._not_predefined(each)]
        if missing and len(missing) < len(queues):
            raise _steps_not_predefined(queue, missing)
        for each in queues:
            self._check_name(each, self.name(each))

    def priorities(self, queue: AmqpQueue) -> Priorities:
        """Return the priorities of ``queue``, as far as they are known in this process."""
        return self._priorities.of(queue)

    def base(self, queue: AmqpQueue) -> AmqpQueue:
        """Return the queue whose step ``queue`` is, or ``queue`` itself."""
        return self._priorities.base(queue)

    def priority_queues(self, queue: AmqpQueue) -> list[AmqpQueue]:
        """Return the queues of the priorities of ``queue``, the one that comes first in front.

        Only ``queue`` itself if it has none.
        """
        return self.priorities(queue).queues(queue)

    def find(self, queue: AmqpQueue) -> QueueAddress | None:
        """Return where ``queue`` is, or None; never creates it, always asks AWS."""
        name = self.name(queue)
        try:
            address = self._find(queue, name)
        except QueueNotFoundError:
            self._addresses.pop(name, None)
            return None
        self._addresses[name] = address
        return address

    def existing(self, queue: AmqpQueue) -> QueueAddress | None:
        """Return where ``queue`` is, or None; never creates it.

        It may have been deleted since somebody asked.

        Costs nothing once known, else one GetQueueUrl.
        """
        return self._addresses.get(self.name(queue)) or self.find(queue)

    def forget(self, queue: AmqpQueue) -> None:
        """Ask AWS again next time: the queue was deleted, by us or by somebody else."""
        self._addresses.pop(self.name(queue), None)

    def predefined(self, queue: AmqpQueue) -> PredefinedQueue | None:
        """Return what ``predefined_queues`` says of ``queue``, by either of its names."""
        queues = self.options.predefined_queues
        return queues.get(queue) or queues.get(self.name(queue))

    def prove_reachable(self) -> None:
        """Make sure, once a process, that AWS answers and knows the credentials.

        So a wrong endpoint or key is found when the connection is made, where Celery has its
        own retries and words for it, and not in the middle of the first task.

        Raises:
            TemporaryError: no answer; Celery tries again.
            CredentialsError: AWS does not know the credentials.

        Costs one GetQueueUrl, of the default queue, whose URL is kept.
        """
        if self._reachable:
            return
        queues = self.options.predefined_queues
        queue = AmqpQueue(next(iter(queues))) if queues else PROBE_QUEUE
        name = self.name(queue)
        try:
            if queues:
                # A URL is known already: any answer of its service is proof.
                self._find(queue, name).service.queue_url(name)
            else:
                self._addresses[name] = self._find(queue, name)
        except (QueueNotFoundError, AccessDeniedError):
            pass  # An answer, from an AWS that knows who asks.
        self._reachable = True

    def lost(self) -> None:
        """A request found no answer: the next connection has to be proved again."""
        self._reachable = False

    def _find_or_create(self, queue: AmqpQueue, name: QueueName) -> QueueAddress:
        try:
            return self._find(queue, name)
        except QueueNotFoundError as error:
            if self.options.predefined_queues or not self.options.create_missing_queues:
                raise
            served = self.name(self._priorities.base(queue))
            url = self._creation.create(name, served=served, missing=error)
            return QueueAddress(url=url, service=self.service)

    def _find(self, queue: AmqpQueue, name: QueueName) -> QueueAddress:
        predefined = self.options.predefined_queues
        if predefined:
            return self._predefined(queue, name)
        self._check_name(queue, name)
        return QueueAddress(url=self.service.queue_url(name), service=self.service)

    def _check_name(self, queue: AmqpQueue, name: QueueName) -> None:
        if self.options.predefined_queues:
            self._predefined(queue, name)
            return
        problem = name_problem(name)
        if problem:
            raise ConfigurationError(
                f"queue {queue!r} would be {name!r} on AWS: {problem}", where="queue name"
            )

    def _predefined(self, queue: AmqpQueue, name: QueueName) -> QueueAddress:
        found = self.predefined(queue)
        if found is None:
            known = ", ".join(sorted(self.options.predefined_queues))
            raise QueueNotFoundError(
                f"not among the predefined queues ({known})",
                service="sqs",
                resource=queue,
                remedy=f"Add {queue!r} to broker_transport_options['predefined_queues'], or "
                "remove that option so that queues are found by name",
            )
        url = QueueUrl(found.url)
        if is_fifo(url) != is_fifo(name):
            raise ConfigurationError(
                f"predefined_queues[{queue!r}]: name and URL ({name_of_url(url)!r}) must both "
                "end in '.fifo', or neither",
                where="broker_transport_options",
                key="predefined_queues",
            )
        return QueueAddress(url=url, service=self._service_of(found, queue))

    def _not_predefined(self, queue: AmqpQueue) -> bool:
        return bool(self.options.predefined_queues) and self.predefined(queue) is None

    def _service_of(self, queue: PredefinedQueue, name: str) -> QueueService:
        access = predefined_access(self._access, queue, name)
        return self.service if access is self._access else self._services(access)


def _steps_not_predefined(queue: AmqpQueue, missing: Sequence[AmqpQueue]) -> QueueNotFoundError:
    return QueueNotFoundError(
        f"it has priorities, and not all of its queues are predefined: {', '.join(missing)}",
        service="sqs",
        resource=queue,
        remedy="Add them to broker_transport_options['predefined_queues'], or give the queue fewer "
        "steps (priority_steps, x-max-priority)",
    )


_directories: PerProcess[tuple[object, ...], QueueDirectory] = PerProcess()


def queue_directory(
    url: BrokerUrl,
    options: BrokerOptions,
    services: ServiceFactory = SqsQueueService,
    clock: Clock = _CLOCK,
) -> QueueDirectory:
    """Return this process's directory for a broker URL and its options.

    Args:
        url: the broker URL, parsed.
        options: the broker's options.
        services: see :class:`QueueDirectory`; another factory has another directory.
        clock: see :class:`QueueDirectory`; the same for another clock.

    Raises:
        ConfigurationError: no region.

    Costs no request.
    """
    access = broker_access(url, options)
    # The options are compared by their text: they hold mappings, which have no hash. What the
    # text leaves out (secrets of predefined queues) is in the queue's URL or in the access.
    key = (access.key(), repr(options), _secrets(options), services, clock)
    return _directories.get(key, lambda: QueueDirectory(options, access, services, clock))


def predefined_access(access: Access, queue: PredefinedQueue, name: str) -> Access:
    """Return how a predefined queue is reached; ``access`` itself if it has nothing of its own.

    Args:
        access: of the broker.
        queue: what the options say of it.
        name: Celery's, for the error.

    Raises:
        ConfigurationError: half a key pair.
    """
    own = credentials_or_none(
        queue.access_key_id,
        queue.secret_access_key,
        queue.session_token,
        where=f"broker_transport_options['predefined_queues'][{name!r}]",
    )
    if own is None and queue.region is None:
        return access
    return replace(
        access,
        region=queue.region or access.region,
        credentials=own or access.credentials,
    )


def broker_access(url: BrokerUrl, options: BrokerOptions) -> Access:
    """Return where the broker is and who asks.

    Raises:
        ConfigurationError: no region.
    """
    endpoint = url.endpoint
    if endpoint is not None and endpoint.port is None and options.port is not None:
        endpoint = replace(endpoint, port=options.port)
    return access_of(
        options,
        credentials=url.credentials,
        endpoint=endpoint,
        regions=(url.region,),
        where="broker_url",
    )


def _secrets(options: BrokerOptions) -> tuple[object, ...]:
    return tuple(
        (queue.access_key_id, queue.secret_access_key, queue.session_token)
        for queue in options.predefined_queues.values()
    )
