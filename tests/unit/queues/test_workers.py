"""What workers say of themselves, and what is made of it."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from celery_aws.core.backlog import Capacity
from celery_aws.names import AmqpQueue
from celery_aws.queues.workers import FleetInspection
from celery_aws.testing import FakeClock

CELERY, MAIL = AmqpQueue("celery"), AmqpQueue("mail")


class Answers:
    """An app as far as it is asked, with its workers' answers; nobody answers with None."""

    def __init__(
        self, queues: Mapping[str, Sequence[str]] | None, *stats: Mapping[str, Any] | None
    ) -> None:
        self.control = self
        self.timeouts: list[float] = []
        self._queues = queues
        self._stats = list(stats)

    def inspect(self, timeout: float) -> "Answers":
        self.timeouts.append(timeout)
        return self

    def active_queues(self) -> Mapping[str, Sequence[Mapping[str, str]]] | None:
        if self._queues is None:
            return None
        return {node: [{"name": each} for each in names] for node, names in self._queues.items()}

    def stats(self) -> Mapping[str, Any] | None:
        return self._stats.pop(0)


def stats(slots: object, started: int = 0) -> Mapping[str, Any]:
    return {"pool": {"max-concurrency": slots}, "total": {"shop.mail": started, "shop.pay": 1}}


def inspection(answers: Answers) -> FleetInspection:
    return FleetInspection(answers, timeout_seconds=2.5, clock=FakeClock())


def test_workers_by_what_they_consume() -> None:
    answers = Answers(
        {"one": ["celery"], "two": ["celery", "mail"]}, {"one": stats(4), "two": stats(2)}
    )

    fleet = inspection(answers).fleet()

    assert fleet.of_any([CELERY]) == Capacity(workers=2, slots=6)
    assert fleet.of_any([MAIL]) == Capacity(workers=1, slots=2)
    assert fleet.of_any([CELERY, MAIL]) == Capacity(workers=2, slots=6)
    assert fleet.of_any([AmqpQueue("other")]) == Capacity()
    assert answers.timeouts == [2.5, 2.5]


def test_a_sample_tells_how_many_tasks_they_start() -> None:
    answers = Answers(
        {"one": ["celery"], "two": ["celery"]},
        {"one": stats(4, 10), "two": stats(4, 5)},
        {"one": stats(4, 30), "two": stats(4, 6)},
    )

    fleet = inspection(answers).fleet(sample_seconds=10)

    assert fleet.of_any([CELERY]) == Capacity(workers=2, slots=8, tasks_a_second=2.1)


def test_a_sample_is_as_long_as_it_took_to_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = Answers({"one": ["celery"]}, {"one": stats(4, 0)}, {"one": stats(4, 36)})
    clock = FakeClock()
    asked = answers.stats

    def slowly() -> Mapping[str, Any] | None:
        clock.advance(2)
        return asked()

    monkeypatch.setattr(answers, "stats", slowly)

    fleet = FleetInspection(answers, timeout_seconds=2.0, clock=clock).fleet(sample_seconds=10)

    assert fleet.of_any([CELERY]).tasks_a_second == 3.0


def test_who_did_not_answer_the_second_time_leaves_the_rate_unknown() -> None:
    answers = Answers({"one": ["celery"]}, {"one": stats(4)}, None)

    fleet = inspection(answers).fleet(sample_seconds=10)

    assert fleet.of_any([CELERY]) == Capacity(workers=1, slots=4)


@pytest.mark.parametrize("found", [None, {}, {"pool": None}, stats("many")])
def test_who_does_not_say_how_many_runs_one(found: Mapping[str, Any] | None) -> None:
    answers = Answers({"one": ["celery"]}, {"one": found or {}})

    assert inspection(answers).fleet().of_any([CELERY]).slots == 1


def test_nobody_answers() -> None:
    assert inspection(Answers(None, None)).fleet().of_any([CELERY]) == Capacity()
    assert inspection(Answers(None)).consumers() == {}
