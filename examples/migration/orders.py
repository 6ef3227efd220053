"""What customers order: one of each kind that Celery can send, and what shall come of it."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from celery import chain, chord, group

from examples.migration.ledger import Execution
from examples.migration.tasks import add, declined, flaky, slow, total

#: A task that shall still wait when the rehearsal is over.
FAR_SECONDS = 2 * 86_400

#: The kind of such tasks.
FAR = "eta in 2 days"

#: Long enough for its worker to be stopped in between.
REVOKED_SECONDS = 40

NEAR_SECONDS = 3


@dataclass(kw_only=True)
class Order:
    """What was sent, and what shall come of it.

    Attributes:
        kind: of what was sent.
        executions: that shall happen once, with the id of the task whose end causes them; empty if
            the sender has sent it.
        answers: results by task id.
        body: id of the body of a chord.
        never: tasks that shall not run: revoked, or not due for days.
    """

    kind: str = ""
    executions: dict[Execution, str] = field(default_factory=dict)
    answers: dict[str, Any] = field(default_factory=dict)
    body: str = ""
    never: dict[str, str] = field(default_factory=dict)

    def as_line(self) -> dict[str, Any]:
        """Return it for the ledger."""
        executions = [
            [each.task_id, each.retries, cause] for each, cause in self.executions.items()
        ]
        return {**vars(self), "executions": executions, "event": "ordered"}

    @classmethod
    def of_line(cls, line: Mapping[str, Any]) -> "Order":
        """Return what a line says."""
        executions = {Execution(task_id, tries): by for task_id, tries, by in line["executions"]}
        names = ("kind", "answers", "body", "never")
        return cls(executions=executions, **{name: line[name] for name in names})


def orders(app: Any) -> Iterator[Order]:
    """Send one after the other, each when it is asked for; every kind in turn, without an end."""
    for number in itertools.count():
        for kind, send in KINDS.items():
            order = send(app, number)
            order.kind = kind
            yield order


def _one(result: Any, answer: Any, tries: int = 1) -> Order:
    return Order(
        executions={
            Execution(result.id, retries): result.id if retries else "" for retries in range(tries)
        },
        answers={result.id: answer},
    )


def _plain(_: Any, number: int) -> Order:
    return _one(add.delay(number, 1), number + 1)


def _serialized(_: Any, number: int) -> Order:
    serializer = ("pickle", "yaml", "msgpack", "json")[number % 4]
    how = {"compression": "zlib"} if number % 3 == 0 else {}
    return _one(add.apply_async((number, 2), serializer=serializer, **how), number + 2)


def _urgent(_: Any, number: int) -> Order:
    priority = (0, 3, 6, 9, 5)[number % 5]
    return _one(add.apply_async((number, 3), priority=priority), number + 3)


def _long(_: Any, number: int) -> Order:
    return _one(slow.delay(2.0, number), number)


def _retried(_: Any, number: int) -> Order:
    return _one(flaky.delay(2, number), number, tries=3)


def _expiring(_: Any, number: int) -> Order:
    return _one(add.apply_async((number, 4), expires=3_600), number + 4)


def _chained(_: Any, number: int) -> Order:
    result = chain(add.s(number, 1), add.s(1), flaky.si(1, number)).apply_async()
    last, second, first = result.id, result.parent.id, result.parent.parent.id
    return Order(
        executions={
            Execution(first): "",
            Execution(second): first,
            Execution(last): second,
            Execution(last, 1): last,
        },
        answers={first: number + 1, second: number + 2, last: number},
    )


def _grouped(_: Any, number: int) -> Order:
    results = group(add.s(number, each) for each in range(4)).apply_async()
    return Order(
        executions={Execution(each.id): "" for each in results},
        answers={each.id: number + place for place, each in enumerate(results)},
    )


def _chorded(_: Any, number: int) -> Order:
    header = [add.s(number, 1), slow.s(0.5, number), flaky.s(1, number)]
    result = chord(header)(total.s(1))
    parts = [each.id for each in result.parent.results]
    # A part is run by a try more, whose result counts.
    order = Order(
        executions={Execution(each): "" for each in parts},
        answers={result.id: 3 * number + 2},
        body=result.id,
    )
    order.executions[Execution(parts[2], 1)] = parts[2]
    order.executions[Execution(result.id)] = parts[-1]
    return order


def _later(_: Any, number: int) -> Order:
    return _one(add.apply_async((number, 5), countdown=NEAR_SECONDS), number + 5)


def _much_later(_: Any, number: int) -> Order:
    result = add.apply_async((number, 6), countdown=FAR_SECONDS)
    return Order(never={result.id: "not due for two days"})


def _revoked(app: Any, number: int) -> Order:
    result = add.apply_async((number, 7), countdown=REVOKED_SECONDS)
    app.control.revoke(result.id)
    return Order(never={result.id: "revoked"})


def _failing(_: Any, number: int) -> Order:
    result = declined.delay(number)
    return Order(executions={Execution(result.id): ""})


#: By what it is called in the table at the end.
KINDS: Mapping[str, Callable[[Any, int], Order]] = {
    "plain": _plain,
    "other serializers": _serialized,
    "priorities": _urgent,
    "long": _long,
    "retried": _retried,
    "with expiry": _expiring,
    "chain": _chained,
    "group": _grouped,
    "chord": _chorded,
    "eta in 3 s": _later,
    FAR: _much_later,
    "revoked": _revoked,
    "failing": _failing,
}


def read(lines: Iterable[Mapping[str, Any]]) -> list[Order]:
    """Return the orders that are in the ledger."""
    return [Order.of_line(line) for line in lines if line["event"] == "ordered"]
