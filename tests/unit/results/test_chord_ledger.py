"""Each request of the ledger: what it costs, what refuses it, and that it may be sent twice."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import pytest

from celery_aws.aws.dynamodb import TableService
from celery_aws.core.attributes import Item, number, text_of, texts_of
from celery_aws.core.chords import Layout, Part
from celery_aws.errors import TableNotFoundError, UnreachableError
from celery_aws.results import chord_items
from celery_aws.results.chord_ledger import (
    CLAIM_SECONDS,
    DONE_SECONDS,
    FRESH_SECONDS,
    LOOK_SECONDS,
    ChordLedger,
    Claim,
    Outcome,
)
from celery_aws.results.items import key_item
from celery_aws.results.retries import Retries
from celery_aws.results.store import ResultStore
from celery_aws.testing.clock import FakeClock
from celery_aws.testing.memory_dynamodb import MemoryTableService
from tests.unit.results.conftest import TABLE
from tests.unit.results.test_store import a_store
from tests.watched import KilledError, Watched

KEY = b"chord-unlock-g"
FLAT = Layout(size=200)

Spent = Callable[[], dict[str, int]]


class Repeating:
    """A way to the table on which every answer is lost once, and every request sent again."""

    def __init__(self, service: MemoryTableService) -> None:
        self._service = service

    def __getattr__(self, name: str) -> Any:
        asked = getattr(self._service, name)

        def request(*args: Any, **named: Any) -> Any:
            try:
                asked(*args, **named)
            finally:
                return asked(*args, **named)  # noqa: B012 - the second answer counts

        return request


def a_ledger(service: Any, clock: FakeClock, *, life_seconds: int | None = 3_600) -> ChordLedger:
    store: ResultStore = a_store(service, clock)
    return ChordLedger(
        store=store,
        life_seconds=life_seconds,
        retries=Retries(policy=None, clock=store.clock),
    )


@pytest.fixture
def ledger(service: MemoryTableService, clock: FakeClock) -> ChordLedger:
    return a_ledger(service, clock)


@pytest.fixture
def spent(service: MemoryTableService) -> Spent:
    def since() -> dict[str, int]:
        found = dict(service.requests)
        service.requests.clear()
        return found

    return since


def part(index: int) -> Part:
    return Part(index=index, task_id=f"task-{index}")


def record(ledger: ChordLedger, *indexes: int, layout: Layout = FLAT) -> list[Claim | Outcome]:
    return [ledger.record(KEY, part(index), layout) for index in indexes]


def claimed(ledger: ChordLedger, size: int = 2) -> Claim:
    ledger.begin(KEY, size=size, is_nested=False)
    claim = record(ledger, *range(size))[-1]
    assert isinstance(claim, Claim)
    return claim


def root(service: MemoryTableService) -> Item:
    item = service.get_item(TABLE, key_item(KEY), consistent=True)
    assert item is not None
    return item


def test_a_chord_is_begun_with_one_request(ledger: ChordLedger, spent: Spent) -> None:
    ledger.begin(KEY, size=2, is_nested=True)
    assert spent() == {"PutItem": 1}


def test_a_chord_that_is_not_finished_is_not_begun_again(
    ledger: ChordLedger, service: MemoryTableService
) -> None:
    ledger.begin(KEY, size=2, is_nested=False)
    record(ledger, 0)
    before = root(service)
    ledger.begin(KEY, size=3, is_nested=True)
    assert root(service) == before


def test_a_size_is_one_request_and_only_for_a_chord_of_ours(
    ledger: ChordLedger, service: MemoryTableService, spent: Spent
) -> None:
    ledger.set_size(KEY, 2)
    assert service.items(TABLE) == []
    ledger.begin(KEY, size=None, is_nested=False)
    spent()
    ledger.set_size(KEY, 2)
    assert spent() == {"UpdateItem": 1}
    assert chord_items.root_of(root(service)).size == 2


def test_a_task_is_added_once(
    ledger: ChordLedger, service: MemoryTableService, spent: Spent
) -> None:
    assert not ledger.add(KEY, "more")
    ledger.begin(KEY, size=2, is_nested=False)
    spent()
    assert ledger.add(KEY, "more")
    assert spent() == {"UpdateItem": 1}
    assert ledger.add(KEY, "more")
    assert chord_items.root_of(root(service)).total == 3


def test_a_part_in_the_root_is_one_request_and_the_last_two(
    ledger: ChordLedger, spent: Spent
) -> None:
    ledger.begin(KEY, size=2, is_nested=False)
    spent()
    assert record(ledger, 0) == [Outcome.NOTHING]
    assert spent() == {"UpdateItem": 1}
    assert isinstance(record(ledger, 1)[0], Claim)
    assert spent() == {"UpdateItem": 2}


def test_of_the_parts_of_a_shard_only_the_last_tells_the_root(
    ledger: ChordLedger, service: MemoryTableService, spent: Spent
) -> None:
    ledger.begin(KEY, size=200, is_nested=False)
    shard = [index for index in range(64, 200) if FLAT.shard_of(part(index)) == "i3"]
    spent()
    record(ledger, *shard[:-1])
    assert spent() == {"UpdateItem": len(shard) - 1}
    record(ledger, shard[-1])
    assert spent() == {"UpdateItem": 2}
    assert chord_items.root_of(root(service)).counts == {"i3": len(shard)}


def test_two_that_tell_of_a_shard_in_the_wrong_order_leave_the_higher_count(
    service: MemoryTableService, clock: FakeClock
) -> None:
    slow, quick = Watched(service), a_ledger(service, clock)
    ledger = a_ledger(cast("TableService", slow), clock)
    quick.begin(KEY, size=None, is_nested=False)
    slow.meets()
    slow.meets(before=lambda: record(quick, 80, layout=Layout()))
    record(ledger, 64, layout=Layout())
    assert FLAT.shard_of(part(64)) == FLAT.shard_of(part(80)) == "i0"
    assert chord_items.root_of(root(service)).counts == {"i0": 2}


def test_a_part_comes_again_and_nothing_changes(
    ledger: ChordLedger, service: MemoryTableService
) -> None:
    ledger.begin(KEY, size=200, is_nested=False)
    record(ledger, 0, 100)
    before = service.items(TABLE)
    assert record(ledger, 0, 100) == [Outcome.NOTHING, Outcome.NOTHING]
    assert service.items(TABLE) == before


def test_a_claim_has_all_parts_in_order(ledger: ChordLedger, spent: Spent) -> None:
    ledger.begin(KEY, size=200, is_nested=False)
    claim = record(ledger, *reversed(range(200)))[-1]
    assert isinstance(claim, Claim)
    assert claim.root.is_complete
    spent()
    assert ledger.parts(claim) == [part(index) for index in range(200)]
    assert spent() == {"BatchGetItem": 1}


def test_a_small_chord_has_its_parts_in_the_claim(ledger: ChordLedger, spent: Spent) -> None:
    claim = claimed(ledger)
    spent()
    assert ledger.parts(claim) == [part(0), part(1)]
    assert spent() == {}


def test_a_counter_and_what_is_not_there_are_told_apart(
    ledger: ChordLedger, service: MemoryTableService, caplog: pytest.LogCaptureFixture
) -> None:
    assert record(ledger, 0, 100, layout=Layout()) == [Outcome.NOTHING] * 2
    assert "the chord is not known" in caplog.text
    service.put_item(TABLE, {**key_item(KEY), "chord_count": number(0)})
    assert record(ledger, 0, 100, layout=Layout()) == [Outcome.COUNTED] * 2


def test_who_finds_a_claim_waits_and_takes_it_over_when_it_has_not_changed(
    ledger: ChordLedger, service: MemoryTableService, clock: FakeClock, spent: Spent
) -> None:
    first = claimed(ledger)
    spent()
    second = record(ledger, 1)[0]
    assert isinstance(second, Claim)
    assert sum(clock.sleeps) == CLAIM_SECONDS
    looks = int(CLAIM_SECONDS / LOOK_SECONDS)
    assert spent() == {"UpdateItem": 2, "GetItem": looks}
    assert text_of(root(service), "claim") == second.token != first.token


def test_who_waits_for_a_claim_sees_that_it_is_held(
    service: MemoryTableService, clock: FakeClock
) -> None:
    holder, watched = a_ledger(service, clock), Watched(service)
    claim = claimed(holder)

    def renew(name: str, place: str) -> None:
        nonlocal claim
        if (name, place) == ("get_item", "before") and clock.monotonic() < 100:
            held = holder.hold(claim)
            assert held is not None
            claim = held

    watched.on_boundary = renew
    found = record(a_ledger(cast("TableService", watched), clock), 1)[0]
    assert isinstance(found, Claim)
    assert 100 + CLAIM_SECONDS - FRESH_SECONDS <= clock.monotonic() <= 100 + CLAIM_SECONDS + 1


def test_who_waits_for_a_claim_is_told_that_the_chord_is_finished(
    service: MemoryTableService, clock: FakeClock
) -> None:
    holder, watched = a_ledger(service, clock), Watched(service)
    claim = claimed(holder)
    watched.meets()
    watched.meets(before=lambda: holder.finish(claim))
    assert record(a_ledger(cast("TableService", watched), clock), 1) == [Outcome.NOTHING]
    assert clock.monotonic() == LOOK_SECONDS


@pytest.mark.parametrize("meets", [1, 2], ids=["to take the claim", "for the claim"])
def test_who_waits_does_not_claim_a_chord_that_was_begun_again(
    service: MemoryTableService, clock: FakeClock, meets: int
) -> None:
    holder, watched = a_ledger(service, clock), Watched(service)
    claim = claimed(holder) if meets == 2 else None
    if claim is None:
        holder.begin(KEY, size=2, is_nested=False)
        record(holder, 0)

    def finish_and_begin() -> None:
        held = claim or record(holder, 1)[0]
        assert isinstance(held, Claim)
        holder.finish(held)
        holder.begin(KEY, size=2, is_nested=False)

    watched.meets()
    watched.meets(before=finish_and_begin)
    assert record(a_ledger(cast("TableService", watched), clock), 1) == [Outcome.NOTHING]


def test_a_fresh_claim_is_held_for_nothing(
    ledger: ChordLedger, clock: FakeClock, spent: Spent
) -> None:
    claim = claimed(ledger)
    spent()
    clock.advance(FRESH_SECONDS - 1)
    assert ledger.hold(claim) is claim
    assert spent() == {}
    clock.advance(1)
    held = ledger.hold(claim)
    assert spent() == {"UpdateItem": 1}
    assert held is not None
    assert (held.taken_at, held.root) == (clock.monotonic(), claim.root)
    assert held.token != claim.token


def test_a_claim_that_was_taken_over_is_not_held(ledger: ChordLedger, clock: FakeClock) -> None:
    first = claimed(ledger)
    record(ledger, 1)
    assert ledger.hold(first) is None


def test_a_finished_chord_is_remembered_for_a_day_and_nothing_else_of_it(
    ledger: ChordLedger, service: MemoryTableService, clock: FakeClock, spent: Spent
) -> None:
    ledger = a_ledger(service, clock, life_seconds=None)
    ledger.begin(KEY, size=200, is_nested=False)
    claim = record(ledger, *range(200))[-1]
    assert isinstance(claim, Claim)
    service.put_item(TABLE, key_item(b"kept"))
    spent()
    ledger.finish(claim, [b"kept", b"kept"])
    # 16 shards and what was kept.
    assert spent() == {"PutItem": 1, "BatchWriteItem": 1}
    now = int(clock.now().timestamp())
    assert service.items(TABLE) == [root(service)]
    assert root(service)["ttl"] == number(now + DONE_SECONDS)
    assert "parts" not in root(service)


def test_a_finished_chord_is_not_remembered_for_longer_than_a_chord_lives(
    ledger: ChordLedger, service: MemoryTableService, clock: FakeClock
) -> None:
    ledger.finish(claimed(ledger))
    assert root(service)["ttl"] == number(int(clock.now().timestamp()) + 3_600)


def test_who_lost_the_claim_finishes_nothing(
    ledger: ChordLedger, service: MemoryTableService, caplog: pytest.LogCaptureFixture
) -> None:
    first = claimed(ledger)
    record(ledger, 1)
    before = service.items(TABLE)
    ledger.finish(first, [b"kept"])
    assert service.items(TABLE) == before
    assert "somebody else" in caplog.text


def test_every_request_may_be_sent_twice(
    service: MemoryTableService, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = a_ledger(cast("TableService", Repeating(service)), clock)
    ledger.begin(KEY, size=None, is_nested=False)
    ledger.set_size(KEY, 99)
    assert ledger.add(KEY, "task-99")
    outcomes = record(ledger, *range(100), layout=Layout())
    assert outcomes[:-1] == [Outcome.NOTHING] * 99
    claim = outcomes[-1]
    assert isinstance(claim, Claim)
    clock.advance(FRESH_SECONDS)
    held = ledger.hold(claim)
    assert held is not None
    assert ledger.parts(held) == [part(index) for index in range(100)]
    ledger.finish(held)
    assert chord_items.is_done(root(service))
    assert clock.monotonic() == FRESH_SECONDS
    assert caplog.text == ""


def test_a_part_whose_process_died_before_it_told_the_root_is_told_by_its_copy(
    service: MemoryTableService, clock: FakeClock
) -> None:
    watched = Watched(service)
    ledger = a_ledger(cast("TableService", watched), clock)
    ledger.begin(KEY, size=65, is_nested=False)
    layout = Layout(size=65)
    record(ledger, *range(64), layout=layout)

    def die() -> None:
        raise KilledError

    watched.meets(after=die)
    with pytest.raises(KilledError):
        record(ledger, 64, layout=layout)
    assert chord_items.root_of(root(service)).counts == {}
    assert isinstance(record(ledger, 64, layout=layout)[0], Claim)


def test_a_part_that_could_not_be_recorded_is_an_error_and_may_be_recorded_again(
    ledger: ChordLedger, service: MemoryTableService
) -> None:
    ledger.begin(KEY, size=1, is_nested=False)
    service.fail_next("UpdateItem", UnreachableError("no answer"))
    with pytest.raises(UnreachableError):
        record(ledger, 0)
    assert isinstance(record(ledger, 0)[0], Claim)


def test_a_chord_lives_on_from_its_last_part(
    ledger: ChordLedger, service: MemoryTableService, clock: FakeClock
) -> None:
    ledger.begin(KEY, size=2, is_nested=False)
    clock.advance(3_000)
    record(ledger, 0)
    assert root(service)["ttl"] == number(int(clock.now().timestamp()) + 3_600)
    assert texts_of(root(service), "parts") == {"0:task-0"}


def test_a_size_without_a_table_is_that_of_a_chord_elsewhere(clock: FakeClock) -> None:
    nothing = MemoryTableService(clock=clock)
    a_ledger(nothing, clock).set_size(KEY, 2)
    strict = a_ledger(nothing, clock)
    strict = replace(strict, store=replace(strict.store, creates_table=False))
    with pytest.raises(TableNotFoundError):
        strict.set_size(KEY, 2)
