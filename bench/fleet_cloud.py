"""AWS in the simulated world, with a meter at each process's line to it."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from math import inf
from typing import Any

from tests.simulation.cloud import Cloud, Line
from tests.simulation.world import Process

from bench import prices
from celery_aws.core.billing import billed_requests
from celery_aws.core.messages import OutgoingMessage, ReceivedMessage
from celery_aws.core.queue_names import is_fifo
from celery_aws.names import QueueUrl


@dataclass
class Bill:
    """What a process, or several, asked of AWS.

    Attributes:
        operations: requests by AWS's name.
        sqs: as billed, by 64 KB, of standard queues.
        fifo: the same of FIFO queues.
    """

    operations: Counter[str] = field(default_factory=Counter)
    sqs: float = 0.0
    fifo: float = 0.0
    write_units: float = 0.0
    read_units: float = 0.0

    def __add__(self, other: "Bill") -> "Bill":
        return self.plus(other, 1.0)

    def __sub__(self, other: "Bill") -> "Bill":
        return self.plus(other, -1.0)

    def times(self, factor: float) -> "Bill":
        """Return so many times as much."""
        return Bill().plus(self, factor)

    @property
    def requests(self) -> float:
        """All requests, as asked."""
        return float(sum(self.operations.values()))

    @property
    def dollars(self) -> float:
        """The price of all, at the list prices of :mod:`bench.prices`."""
        millions = (
            self.sqs * prices.SQS_REQUESTS
            + self.fifo * prices.SQS_FIFO_REQUESTS
            + self.write_units * prices.WRITE_UNITS
            + self.read_units * prices.READ_UNITS
        )
        return millions / 1_000_000

    def plus(self, other: "Bill", factor: float) -> "Bill":
        """Return this and so many times the other; it does not change any more."""
        operations = Counter(self.operations)
        for name, count in other.operations.items():
            operations[name] += count * factor  # type: ignore[assignment]
        return Bill(
            operations=operations,
            sqs=self.sqs + factor * other.sqs,
            fifo=self.fifo + factor * other.fifo,
            write_units=self.write_units + factor * other.write_units,
            read_units=self.read_units + factor * other.read_units,
        )


@dataclass(kw_only=True)
class MeteredCloud(Cloud):
    """AWS, and a bill for each process by its name."""

    bills: dict[str, Bill] = field(default_factory=dict)

    def line(self, process: Process, service: Any) -> Any:
        """Return a service as a process reaches it, and pays for it."""
        bill = self.bills.setdefault(process.name, Bill())
        return MeteredLine(self, process, service, bill)


@dataclass
class MeteredLine(Line):
    """A line on which every request is billed; a long poll is one."""

    bill: Bill

    def receive(self, url: QueueUrl, **how: Any) -> list[ReceivedMessage]:
        """Long-poll until a message is there, or the wait is over."""
        world, until = self.cloud.world, self.cloud.world.seconds + how.pop("wait_seconds")
        ask = partial(self.service.receive, url, wait_seconds=0, **how)
        while True:
            received: list[ReceivedMessage] = super()._request("ReceiveMessage", ask)
            if received or world.seconds >= until:
                self._bill_sqs("ReceiveMessage", url, sum(len(each.body) for each in received))
                return received
            visible_at = self.cloud.sqs.next_visible_at(url)
            world.wait(min(until, visible_at or inf) - world.seconds, about=url)

    def _request(self, operation: str, ask: Callable[[], Any]) -> Any:
        tables = self.cloud.tables

        def billed() -> Any:
            write_units, read_units = tables.write_units, tables.read_units
            try:
                return ask()
            finally:
                self.bill.write_units += tables.write_units - write_units
                self.bill.read_units += tables.read_units - read_units

        if self.service is tables:
            self.bill.operations[operation] += 1
            return super()._request(operation, billed)
        arguments = ask.args if isinstance(ask, partial) else ()
        messages = [each for each in arguments if isinstance(each, OutgoingMessage)]
        self._bill_sqs(operation, arguments[0], sum(each.size_bytes for each in messages))
        return super()._request(operation, ask)

    def _bill_sqs(self, operation: str, queue: str, payload_bytes: int) -> None:
        self.bill.operations[operation] += 1
        if is_fifo(queue):
            self.bill.fifo += billed_requests(payload_bytes)
        else:
            self.bill.sqs += billed_requests(payload_bytes)
