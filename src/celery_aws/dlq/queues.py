"""The dead-letter queues of an app, by what its queues' redrive policies say on AWS.

A dead-letter queue that is only planned, or that nothing leads to any more, is one too if it is
there. Facts: "Using dead-letter queues in Amazon SQS" in the SQS developer guide (it is in the
account and region of its source queues, and of their type).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from celery_aws.aws.access import Access
from celery_aws.aws.operators import OperatorServices
from celery_aws.aws.queue_listing import all_queues
from celery_aws.aws.sqs import QueueService
from celery_aws.broker.directory import QueueAddress, QueueDirectory
from celery_aws.core.dead_letters import (
    REDRIVE_POLICY,
    RedrivePolicy,
    owner_and_name,
    redrive_policy,
)
from celery_aws.core.queue_depth import DEPTH_ATTRIBUTES, QueueDepth, queue_depth
from celery_aws.core.queue_names import is_fifo, name_of_url
from celery_aws.core.queue_plan import PlannedQueue, QueueRole
from celery_aws.deployment import Deployment
from celery_aws.errors import (
    AccessDeniedError,
    ConfigurationError,
    InvalidRequestError,
    QueueNotFoundError,
)
from celery_aws.names import AmqpQueue, QueueArn, QueueName, QueueUrl

_ARN = "QueueArn"


@dataclass(frozen=True, kw_only=True)
class SourceQueue:
    """A queue whose dead letters go to a dead-letter queue.

    Attributes:
        name: on AWS.
        url: where it is.
        serves: Celery's queue that it belongs to; None if the app does not know it.
    """

    name: QueueName
    url: QueueUrl
    serves: AmqpQueue | None = None


@dataclass(frozen=True, kw_only=True)
class DeadLetterQueue:
    """A dead-letter queue as it is on AWS.

    Attributes:
        name: on AWS.
        url: where it is.
        arn: the same for SQS's own redrive.
        depth: how many messages it has.
        sources: the queues that lead to it, of other apps too if that is known.
        sources_known: False if AWS did not tell the sources, and only the app's are among them.
        policy: its own redrive policy; None if it has none, as it should be.
        service: asks SQS for it.
        access: the same for what only operators ask.
    """

    name: QueueName
    url: QueueUrl
    arn: QueueArn
    depth: QueueDepth
    sources: tuple[SourceQueue, ...]
    sources_known: bool
    policy: RedrivePolicy | None
    service: QueueService
    access: Access

    @property
    def fifo(self) -> bool:
        """True for a FIFO queue."""
        return is_fifo(self.name)

    @property
    def serves(self) -> tuple[AmqpQueue, ...]:
        """Celery's queues whose dead letters it has, each once."""
        return tuple(dict.fromkeys(each.serves for each in self.sources if each.serves))


@dataclass(frozen=True, kw_only=True)
class _Found:
    """A dead-letter queue, and what of the app leads to it."""

    address: QueueAddress
    access: Access
    sources: tuple[SourceQueue, ...]


class DeadLetterQueues:
    """Finds the dead-letter queues of one app.

    Args:
        deployment: of the app.
        directory: of its broker.
    """

    def __init__(self, deployment: Deployment, directory: QueueDirectory) -> None:
        self._deployment = deployment
        self._directory = directory

    def all(self) -> Iterator[DeadLetterQueue]:
        """Yield them, each once.

        Raises:
            AwsError: SQS did not answer, or refused.

        Costs for each SQS queue of the app a GetQueueUrl and a GetQueueAttributes, and for each
        dead-letter queue these two and a ListDeadLetterSourceQueues.
        """
        return map(self._read, self._found())

    def named(self, text: str) -> DeadLetterQueue:
        """Return the one that somebody names.

        Args:
            text: its name on AWS, with the prefix or without it, its URL, or a queue of Celery's
                that leads to it. One that the app does not know is found by its whole name.

        Raises:
            ConfigurationError: several are meant.
            QueueNotFoundError: there is no such queue.
            AwsError: SQS did not answer, or refused.

        Costs the first half of what :meth:`all` costs, and the second for this one.
        """
        found = [each for each in self._found() if self._is_meant(each, text)]
        if len(found) > 1:
            names = ", ".join(name_of_url(each.address.url) for each in found)
            raise ConfigurationError(
                f"{text!r} leads to several dead-letter queues: {names}. Name one of them",
                where="QUEUE",
            )
        return self._read(found[0] if found else self._of_no_app(text))

    def _is_meant(self, found: _Found, text: str) -> bool:
        name = name_of_url(found.address.url)
        names = {
            found.address.url,
            name,
            name.removeprefix(self._directory.options.queue_name_prefix),
        }
        for source in found.sources:
            names |= {source.name, source.serves or source.name}
        return text in names

    def _of_no_app(self, text: str) -> _Found:
        service = self._directory.service
        url = service.queue_url(QueueName(name_of_url(QueueUrl(text))))
        address = QueueAddress(url=url, service=service)
        return _Found(address=address, access=self._default_access, sources=())

    def _found(self) -> list[_Found]:
        by_url: dict[QueueUrl, _Found] = {}
        for each in [*self._in_policies(), *self._planned()]:
            known = by_url.get(each.address.url)
            sources = () if known is None else known.sources
            by_url[each.address.url] = _Found(
                address=each.address, access=each.access, sources=(*sources, *each.sources)
            )
        return list(by_url.values())

    def _in_policies(self) -> Iterator[_Found]:
        for planned in self._deployment.with_role(QueueRole.TASKS, QueueRole.PRIORITY):
            address = _existing(self._directory, planned)
            if address is None:
                continue
            policy = _policy_of(address)
            target = None if policy is None else _target(address.service, policy)
            if target is not None:
                source = SourceQueue(
                    name=name_of_url(address.url), url=address.url, serves=planned.serves
                )
                access = self._deployment.access_of(planned)
                yield _Found(address=target, access=access, sources=(source,))

    def _planned(self) -> Iterator[_Found]:
        service = self._directory.service
        for planned in self._deployment.with_role(QueueRole.DEAD_LETTERS):
            try:
                url = service.queue_url(planned.name)
            except QueueNotFoundError:
                continue
            address = QueueAddress(url=url, service=service)
            yield _Found(address=address, access=self._default_access, sources=())

    @property
    def _default_access(self) -> Access:
        access = self._deployment.broker
        assert access is not None  # noqa: S101 - there is a broker, or no directory of it
        return access

    def _read(self, found: _Found) -> DeadLetterQueue:
        url, service = found.address.url, found.address.service
        attributes = service.queue_attributes(url, [*DEPTH_ATTRIBUTES, _ARN, REDRIVE_POLICY])
        others, known = _other_sources(url, found.access, {each.url for each in found.sources})
        return DeadLetterQueue(
            name=name_of_url(url),
            url=url,
            arn=QueueArn(attributes.get(_ARN, "")),
            depth=queue_depth(attributes),
            sources=(*found.sources, *others),
            sources_known=known,
            policy=redrive_policy(attributes.get(REDRIVE_POLICY)),
            service=service,
            access=found.access,
        )


def _existing(directory: QueueDirectory, planned: PlannedQueue) -> QueueAddress | None:
    return None if planned.step is None else directory.existing(planned.step)


def _policy_of(address: QueueAddress) -> RedrivePolicy | None:
    try:
        attributes = address.service.queue_attributes(address.url, [REDRIVE_POLICY])
    except QueueNotFoundError:
        return None
    return redrive_policy(attributes.get(REDRIVE_POLICY))


def _target(service: QueueService, policy: RedrivePolicy) -> QueueAddress | None:
    try:
        owner, name = owner_and_name(policy.target)
        return QueueAddress(url=service.queue_url(name, owner=owner), service=service)
    except (QueueNotFoundError, ValueError):
        return None


def _other_sources(
    url: QueueUrl, access: Access, known: Iterable[QueueUrl]
) -> tuple[list[SourceQueue], bool]:
    """Return the sources that the app does not know, and whether AWS told them."""
    listing = OperatorServices.listing(access)
    try:
        urls = list(all_queues(lambda after: listing.dead_letter_sources(url, after)))
    except (AccessDeniedError, InvalidRequestError):
        return [], False  # Not granted, or an emulator that has no such operation.
    others = [each for each in urls if each not in set(known)]
    return [SourceQueue(name=name_of_url(each), url=each) for each in others], True
