from typing import cast

import pytest

from celery_aws.aws.dynamodb import TableService
from celery_aws.control.routes import (
    BELIEVED_SECONDS,
    NOBODY_SECONDS,
    RENEWED_SECONDS,
    Routes,
)
from celery_aws.table.bindings import Bindings
from tests.unit.control.conftest import FAULT, World
from tests.watched import Watched

EVENTS = "celeryev"


class Bench:
    def __init__(self, world: World) -> None:
        self.world = world
        self.told = False
        self.tables = Watched(world.tables)
        table = world.table(cast("TableService", self.tables))
        self.routes = Routes(Bindings(table=table), is_told=lambda: self.told, clock=world.clock)

    def queries(self) -> int:
        """Return how many there were since the last time."""
        made = len(self.tables.log)
        self.tables.log.clear()
        return made

    def asks_after(self, seconds: float) -> bool:
        self.world.clock.advance(seconds)
        self.routes.of(EVENTS)
        return self.queries() == 1


@pytest.fixture
def bench(world: World) -> Bench:
    return Bench(world)


@pytest.mark.parametrize("bound", [False, True])
def test_who_is_not_told_believes_for_seconds(bench: Bench, bound: bool) -> None:
    if bound:
        bench.world.bind(EVENTS, "one")
    assert bench.asks_after(0)
    assert not bench.asks_after(BELIEVED_SECONDS - 0.1)
    assert bench.asks_after(0.1)


def test_who_is_told_reads_again_while_somebody_is_bound(bench: Bench) -> None:
    bench.told = True
    bench.world.bind(EVENTS, "one")
    assert bench.asks_after(0)
    assert not bench.asks_after(RENEWED_SECONDS - 0.1)
    assert bench.asks_after(0.1)


def test_who_is_told_believes_for_long_that_nobody_is(bench: Bench) -> None:
    """But not for ever: a notice may be lost, and its monitor would never see an event."""
    bench.told = True
    assert bench.asks_after(0)
    assert bench.routes.nobody(EVENTS)
    assert not bench.asks_after(NOBODY_SECONDS - 0.1)
    assert bench.asks_after(0.1)


def test_who_is_told_no_more_believes_for_seconds(bench: Bench) -> None:
    """Its inbox was idle and was removed: nobody tells it of a monitor."""
    bench.told = True
    assert bench.asks_after(0)
    bench.told = False
    bench.world.bind(EVENTS, "one")
    assert bench.asks_after(BELIEVED_SECONDS)
    assert not bench.routes.nobody(EVENTS)


def test_what_was_read_untold_is_not_believed_for_longer(bench: Bench) -> None:
    assert bench.asks_after(0)
    bench.told = True
    assert bench.asks_after(BELIEVED_SECONDS)


def test_a_notice_is_for_its_exchanges(bench: Bench) -> None:
    bench.told = True
    bench.routes.of(EVENTS)
    bench.routes.of("other")
    bench.queries()
    bench.routes.changed(["other"])
    assert not bench.asks_after(0)
    bench.routes.changed([EVENTS])
    assert not bench.routes.nobody(EVENTS)
    assert bench.routes.known(EVENTS) == ()
    assert bench.asks_after(0)


def test_a_notice_may_say_that_others_were_missed(bench: Bench) -> None:
    bench.told = True
    for notice, queries in (((EVENTS,), 1), (("other",), 0), (None, 1)):
        bench.routes.of(EVENTS)
        bench.queries()
        bench.routes.told(notice)
        bench.routes.of(EVENTS)
        assert bench.queries() == queries


def test_forgetting_is_for_all(bench: Bench) -> None:
    bench.told = True
    bench.routes.of(EVENTS)
    bench.queries()
    bench.routes.forget()
    assert bench.asks_after(0)


@pytest.mark.parametrize("place", ["before", "after"])
@pytest.mark.parametrize("forgets", [False, True])
def test_a_notice_while_they_are_read_is_not_lost(bench: Bench, place: str, forgets: bool) -> None:
    bench.told = True

    def notice() -> None:
        bench.world.bind(EVENTS, "one")
        if forgets:
            bench.routes.forget()
        else:
            bench.routes.changed([EVENTS])

    bench.tables.meets(**{place: notice})
    bench.routes.of(EVENTS)
    bench.queries()

    assert [each.queue for each in bench.routes.of(EVENTS)] == ["one"]
    assert bench.queries() == 1
    assert not bench.asks_after(1)


def test_who_comes_to_be_told_while_they_are_read_believes_for_seconds_only(bench: Bench) -> None:
    bench.tables.meets(after=lambda: setattr(bench, "told", True))
    bench.routes.of(EVENTS)
    bench.queries()
    assert bench.asks_after(BELIEVED_SECONDS)


def test_afresh_is_read_whatever_is_known(bench: Bench) -> None:
    bench.told = True
    for _ in range(2):
        bench.routes.of(EVENTS, afresh=True)
    assert bench.queries() == 2


def test_age_counts_from_before_the_question(bench: Bench) -> None:
    bench.tables.meets(after=lambda: bench.world.clock.advance(BELIEVED_SECONDS))
    bench.routes.of(EVENTS)
    bench.queries()
    assert bench.asks_after(0)


def test_nobody_is_known_only_when_it_was_read(bench: Bench) -> None:
    assert not bench.routes.nobody(EVENTS)
    bench.routes.of(EVENTS)
    assert bench.routes.nobody(EVENTS)
    bench.world.clock.advance(BELIEVED_SECONDS)
    assert not bench.routes.nobody(EVENTS)


def test_a_failure_is_raised_and_nothing_is_believed(bench: Bench) -> None:
    bench.world.tables.fail_next("Query", FAULT)
    with pytest.raises(type(FAULT)):
        bench.routes.of(EVENTS)
    bench.queries()
    assert bench.asks_after(0)


def test_what_is_known_costs_nothing(bench: Bench) -> None:
    one = bench.world.bind(EVENTS, "one")
    bench.routes.of(EVENTS)
    bench.queries()
    bench.world.clock.advance(1_000)
    assert list(bench.routes.known(EVENTS)) == [one]
    assert bench.queries() == 0
