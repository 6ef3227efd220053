"""How many parts a second one chord takes: DynamoDB gives an item 1,000 write units a second.

``ThrottlingException`` comes from the hottest item, so what is counted here is the units of each
item within any one second. Facts: limits.py, and "Best practices for designing and using partition
keys effectively" in DynamoDB's developer guide.
"""

import random
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest

from celery_aws.core.attributes import Item, text_of
from celery_aws.core.chords import Layout, Part, layout_of
from celery_aws.names import TableName
from celery_aws.results.chord_ledger import ChordLedger, Claim
from celery_aws.results.items import ID, table_spec
from celery_aws.results.retries import Retries
from celery_aws.results.store import ResultStore
from celery_aws.testing.clock import FakeClock
from celery_aws.testing.memory_dynamodb import MemoryTableService

TABLE = TableName("results")
KEY = b"chord-unlock-2f1d3c7c-6f0e-4f6e-9a51-0d5b3f3f7a11"

#: Write units that an item takes in a second.
ITEM_UNITS = 1_000

RATE = 5_000


class MeteredItems(MemoryTableService):
    """A double that knows when which item cost how many write units."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock=clock)
        self.paid: dict[str, list[tuple[float, int]]] = defaultdict(list)
        self.now = 0.0

    def put_item(self, table: TableName, item: Item, **options: Any) -> None:
        with self._noted(item):
            super().put_item(table, item, **options)

    def update_item(self, table: TableName, key: Item, **changes: Any) -> Item:
        with self._noted(key):
            return super().update_item(table, key, **changes)

    def hottest(self) -> tuple[str, int]:
        """Return the item with the most units within one second, and how many."""
        busiest = {name: _most_in_a_second(paid) for name, paid in self.paid.items()}
        name = max(busiest, key=lambda each: busiest[each])
        return name, busiest[name]

    @contextmanager
    def _noted(self, key: Item) -> Iterator[None]:
        before = self.write_units
        try:
            yield
        finally:
            self.paid[text_of(key, ID) or ""].append((self.now, self.write_units - before))


def _most_in_a_second(paid: Sequence[tuple[float, int]]) -> int:
    window: deque[tuple[float, int]] = deque()
    most = units = 0
    for moment, cost in paid:
        window.append((moment, cost))
        units += cost
        while window[0][0] <= moment - 1.0:
            units -= window.popleft()[1]
        most = max(most, units)
    return most


def finished(size: int, layout: Layout, *, rate: float, shuffled: bool) -> MeteredItems:
    """Let all parts of a chord return, so many a second; return what it cost."""
    draws = random.Random(size)
    clock = FakeClock()
    service = MeteredItems(clock)
    service.create_table(TABLE, table_spec(read_capacity=None, write_capacity=None))
    store = ResultStore(
        service=service,
        table=TABLE,
        spec=table_spec(read_capacity=None, write_capacity=None),
        creates_table=False,
        clock=clock,
        random=draws.random,
    )
    ledger = ChordLedger(
        store=store, life_seconds=86_400, retries=Retries(policy=None, clock=store.clock)
    )
    ledger.begin(KEY, size=size, is_nested=False)
    parts = [Part(index=n, task_id=str(UUID(int=draws.getrandbits(128)))) for n in range(size)]
    if shuffled:
        draws.shuffle(parts)
    outcomes = []
    for number, part in enumerate(parts):
        service.now = number / rate
        outcomes.append(ledger.record(KEY, part, layout))
    assert [isinstance(each, Claim) for each in outcomes] == [*[False] * (size - 1), True]
    return service


@pytest.mark.parametrize(
    ("size", "shuffled"),
    [(50, True), (1_000, True), (5_000, True), (10_000, True), (20_000, False)],
)
def test_no_item_of_a_large_chord_is_hot_at_5000_parts_a_second(size: int, shuffled: bool) -> None:
    """Tasks run in about the order of the header.

    Of more than 10,000 in no order at all, too many shards would be full in the last second.
    """
    layout = layout_of(tasks=size, is_flat=True)

    name, units = finished(size, layout, rate=RATE, shuffled=shuffled).hottest()

    assert units < ITEM_UNITS, name


@pytest.mark.parametrize(("size", "units"), [(50, 1.7), (64, 2.0), (1_000, 1.9), (5_000, 2.0)])
def test_a_part_costs_two_units(size: int, units: float) -> None:
    service = finished(size, layout_of(tasks=size, is_flat=True), rate=RATE, shuffled=True)

    assert service.write_units / size <= units
    assert service.requests["UpdateItem"] / size <= 1.03


@pytest.mark.parametrize(
    ("layout", "rate"),
    [
        pytest.param(Layout(), 200.0, id="a generator"),
        pytest.param(layout_of(tasks=2_000, is_flat=False), 400.0, id="with groups"),
    ],
)
def test_a_header_whose_shards_have_no_known_size_takes_fewer_parts_a_second(
    layout: Layout, rate: float
) -> None:
    """Nobody knows which write fills a shard, so the root is told of each.

    A generator of 5,000 may have 240 parts a second, a header of 5,000 with groups in it 490.
    """
    calm = finished(2_000, layout, rate=rate, shuffled=True)
    hot = finished(2_000, layout, rate=RATE, shuffled=True)

    assert calm.hottest()[1] < ITEM_UNITS < hot.hottest()[1]
    assert hot.hottest()[0] == repr(KEY)
