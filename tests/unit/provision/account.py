"""An AWS account in memory that provisioning works on, and that may be interrupted anywhere."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from celery import Celery

from celery_aws.aws.access import Access
from celery_aws.deployment import Deployment, deployment_of
from celery_aws.errors import AwsError
from celery_aws.provision import Plan, Services, apply, plan_of, read
from celery_aws.testing.clock import FakeClock
from celery_aws.testing.memory_buckets import MemoryBuckets
from celery_aws.testing.memory_queue_administration import MemoryQueueAdministration
from celery_aws.testing.memory_table_administration import MemoryTableAdministration

REGION = "us-east-1"


class KilledError(BaseException):
    """The process ends here."""


class Interruption:
    """Ends the process at one of its requests.

    Args:
        at: the number of the request, from 1; 0 is never.
        executed: AWS has done what was asked.
    """

    def __init__(self, at: int = 0, *, executed: bool = False) -> None:
        self.requests = 0
        self._at = at
        self._executed = executed

    def around(self, request: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        self.requests += 1
        if self.requests != self._at:
            return request(*args, **kwargs)
        if self._executed:
            with suppress(AwsError):  # refused, and nobody hears of it
                request(*args, **kwargs)
        raise KilledError


class Interrupted:
    """A service whose requests may be the last."""

    def __init__(self, service: Any, interruption: Interruption) -> None:
        self._service = service
        self._interruption = interruption

    def __getattr__(self, name: str) -> Any:
        request = getattr(self._service, name)
        return lambda *args, **kwargs: self._interruption.around(request, *args, **kwargs)


class Keys:
    """KMS: one key, with an alias."""

    ARN = "arn:aws:kms:us-east-1:000000000000:key/1234"

    def key_arn(self, name: str) -> str:
        assert name == "alias/celery"
        return self.ARN


class Account:
    """Queues, tables and buckets, all in one region."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.queues = MemoryQueueAdministration(self.clock, region=REGION)
        self.tables = MemoryTableAdministration(clock=self.clock)
        self.buckets = MemoryBuckets(REGION)
        self.said: list[str] = []

    def services(self, interruption: Interruption | None = None) -> Services:
        """Return what asks this account."""
        met = interruption or Interruption()

        def made_of(service: Any) -> Callable[[Access], Any]:
            return lambda _: Interrupted(service, met)

        return Services(
            queues=made_of(self.queues),
            tables=made_of(self.tables),
            buckets=made_of(self.buckets),
            keys=made_of(Keys()),
            clock=self.clock,
        )

    def plan(self, deployment: Deployment) -> Plan:
        """Return the plan for a deployment."""
        return plan_of(deployment, read(deployment, self.services()))

    def provision(
        self, deployment: Deployment, interruption: Interruption | None = None
    ) -> list[str]:
        """Do all of it, and return the names of what was done."""
        services = self.services(interruption)
        done: list[str] = []
        plan = plan_of(deployment, read(deployment, services))
        apply(
            plan,
            deployment,
            services,
            done=lambda step: done.append(step.name),
            say=self.said.append,
        )
        return done


def deployment(
    *,
    options: dict[str, Any] | None = None,
    results: dict[str, Any] | None = None,
    backend: str | None = f"aws+dynamodb://@{REGION}/results",
    broker: str = "aws+sqs://",
    **conf: Any,
) -> Deployment:
    """Return what an app needs.

    Args:
        options: ``broker_transport_options``.
        results: ``result_backend_transport_options``.
        backend: ``result_backend``.
        broker: ``broker_url``.
        conf: other settings.
    """
    app = Celery("proj", set_as_current=False, broker=broker, backend=backend)
    app.conf.update(conf)
    app.conf.broker_transport_options = {"region": REGION, **(options or {})}
    app.conf.result_backend_transport_options = results or {}
    return deployment_of(app)
