from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from celery_aws.core.chords import (
    ROOT,
    ROOT_PARTS,
    SHARD_PARTS,
    Layout,
    Part,
    Root,
    in_order,
    layout_of,
    load_layout,
    part_of,
)

LARGEST = 5_000


def part(index: int | None, task_id: str = "t") -> Part:
    return Part(index=index, task_id=task_id)


@pytest.mark.parametrize("member", ["0:t", "12:a:b", ":t", "7:"])
def test_a_member_is_a_part_and_back(member: str) -> None:
    assert part_of(member).member == member


@given(index=st.none() | st.integers(0, 10**9), task_id=st.text())
def test_a_part_is_a_member_and_back(index: int | None, task_id: str) -> None:
    assert part_of(part(index, task_id).member) == part(index, task_id)


def test_parts_are_in_the_order_of_the_header_and_without_a_place_last() -> None:
    ordered = [part(0, "b"), part(2, "a"), part(2, "b"), part(10, "a"), part(None, "a")]
    assert in_order(reversed(ordered)) == ordered


def test_each_shard_of_a_flat_header_gets_as_many_parts_as_are_expected_of_it() -> None:
    """For every size: shards only ever get more, the sizes need not be tried one by one."""
    counts: Counter[str] = Counter()
    for size in range(1, LARGEST + 1):
        layout = Layout(size=size)
        shard = layout.shard_of(part(size - 1))
        counts[shard] += 1
        if shard != ROOT:
            # What one part more changes; the other shards are compared when it is their turn.
            assert layout.expected_in(shard) == counts[shard]
            assert Layout(size=size - 1).expected_in(shard) == counts[shard] - 1
        if size % 97 == 0 or size == LARGEST:
            expected = {name: layout.expected_in(name) for name in counts if name != ROOT}
            assert expected == {name: n for name, n in counts.items() if name != ROOT}
    assert counts[ROOT] == ROOT_PARTS
    assert max(counts.values()) == SHARD_PARTS


def test_neighbours_are_in_different_shards() -> None:
    shards = [Layout(size=1000).shard_of(part(index)) for index in range(ROOT_PARTS, 1000)]
    assert all(len(set(shards[n : n + 16])) == 16 for n in range(0, len(shards) - 16, 16))


@given(index=st.none() | st.integers(0, LARGEST), shards=st.integers(1, 200), size=st.integers(1))
def test_a_part_has_one_shard_whatever_else_is_known(
    index: int | None, shards: int, size: int
) -> None:
    place = part(index)
    assert Layout(size=size).shard_of(place) == Layout().shard_of(place)
    assert Layout(shards=shards).shard_of(place) == Layout(shards=shards).shard_of(part(None))


def test_tasks_that_share_their_places_are_spread_by_their_ids() -> None:
    layout = layout_of(tasks=6_400, is_flat=False)
    counts = Counter(layout.shard_of(part(n % 10, f"task-{n}")) for n in range(6_400))
    assert len(counts) == layout.shards == 200
    assert max(counts.values()) < 2 * SHARD_PARTS
    assert ROOT not in counts


@pytest.mark.parametrize("layout", [Layout(), Layout(shards=7)])
def test_nothing_is_expected_where_nothing_is_known(layout: Layout) -> None:
    shards = {layout.shard_of(part(index, f"t{index}")) for index in range(500)}
    assert {layout.expected_in(shard) for shard in shards} == {0}


@pytest.mark.parametrize(
    ("tasks", "is_flat", "layout"),
    [
        (0, False, Layout()),
        (ROOT_PARTS, True, Layout()),
        (ROOT_PARTS, False, Layout()),
        (ROOT_PARTS + 1, True, Layout(size=65)),
        (ROOT_PARTS + 1, False, Layout(shards=3)),
    ],
)
def test_a_small_header_needs_no_layout(tasks: int, is_flat: bool, layout: Layout) -> None:
    assert layout_of(tasks=tasks, is_flat=is_flat) == layout
    assert load_layout(layout.dump()) == layout


@pytest.mark.parametrize(
    "junk",
    [
        *[None, 7, "size", [], ["size"], {}, {"size": None}, {"size": "65"}, {"size": 0}],
        *[{"size": -1}, {"shards": 1.5}, {"other": 3}, {"size": [65]}],
    ],
)
def test_of_junk_the_layout_is_a_generators(junk: Any) -> None:
    assert load_layout(junk) == Layout()


def test_what_is_known_besides_junk_is_kept() -> None:
    assert load_layout({"size": 65, "shards": "x", "new": 1}) == Layout(size=65)


@pytest.mark.parametrize(
    ("root", "complete"),
    [
        (Root(parts=frozenset({"0:a"})), False),
        (Root(size=2, parts=frozenset({"0:a"})), False),
        (Root(size=2, parts=frozenset({"0:a", "1:b"})), True),
        (Root(size=2, added=1, parts=frozenset({"0:a", "1:b"})), False),
        (Root(size=2, added=1, parts=frozenset({"0:a", "1:b"}), counts={"i0": 1}), True),
        (Root(size=3, counts={"i0": 1, "i1": 1}), False),
        (Root(size=3, counts={"i0": 1, "i1": 2}), True),
    ],
)
def test_a_chord_is_complete_when_its_size_is_known_and_all_have_come(
    root: Root, complete: bool
) -> None:
    assert root.is_complete is complete
