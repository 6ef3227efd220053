import pytest

from celery_aws.core.attributes import Item, number, text, texts
from celery_aws.core.chords import Part, Root
from celery_aws.core.conditions import holds
from celery_aws.results import chord_items
from celery_aws.testing.clock import START

KEY = b"chord-unlock-g"
NOW = int(START.timestamp())


def a_root(*, size: int | None = 3, life_seconds: int | None = 60) -> Item:
    return chord_items.root_item(
        KEY, size=size, is_nested=False, now=START, life_seconds=life_seconds
    )


def test_the_keys_of_a_chord_begin_with_that_of_its_counter() -> None:
    part = Part(index=3, task_id="t")
    assert chord_items.shard_key(KEY, "i7") == b"chord-unlock-g.i7"
    assert chord_items.part_key(KEY, part) == b"chord-unlock-g/3:t"


def test_a_root_says_who_began_it_and_how_large_it_is() -> None:
    assert a_root() == {
        "id": text("b'chord-unlock-g'"),
        "chord_format": number(1),
        "chord_size": number(3),
        "timestamp": number(1773500966.535897),
        "ttl": number(NOW + 60),
    }
    assert "chord_size" not in a_root(size=None)
    assert "ttl" not in a_root(life_seconds=None)


def test_a_root_is_read_as_it_is_written() -> None:
    item: Item = {
        **a_root(),
        "chord_added": texts(["x", "y"]),
        "parts": texts(["0:a", "1:b"]),
        "shard_i0": number(7),
        "shard_h12": number(2),
        "claim": text("token"),
        "nested": number(1),
    }
    assert chord_items.root_of(item) == Root(
        size=3,
        added=2,
        parts=frozenset({"0:a", "1:b"}),
        counts={"i0": 7, "h12": 2},
        claim="token",
        is_nested=True,
    )
    assert chord_items.root_of({}) == Root()


def test_a_finished_root_has_nothing_of_its_parts() -> None:
    root = Root(size=3, added=1, parts=frozenset({"0:a"}), counts={"i0": 3}, claim="token")
    item = chord_items.done_item(KEY, root, now=START, life_seconds=60)
    assert item == {**a_root(), "done": number(1)}
    assert chord_items.is_done(item)
    assert chord_items.is_ours(item)


def test_a_counter_of_celerys_own_backend_is_told_apart() -> None:
    counter: Item = {"id": text("b'chord-unlock-g'"), "chord_count": number(0)}
    assert chord_items.is_counter(counter)
    assert not chord_items.is_ours(counter)
    assert not chord_items.is_counter(a_root())
    assert not chord_items.is_counter({})


@pytest.mark.parametrize(
    ("item", "may_begin"),
    [
        ({}, True),
        ({"chord_count": number(2)}, True),
        (a_root(), False),
        ({**a_root(), "done": number(1)}, True),
        ({**a_root(), "ttl": number(NOW - 1)}, True),
        ({**a_root(), "ttl": number(NOW)}, False),
        (a_root(life_seconds=None), False),
    ],
)
def test_a_chord_begins_over_nothing_and_over_what_is_over(item: Item, may_begin: bool) -> None:
    assert holds(chord_items.may_begin(START), item) is may_begin


def test_a_count_is_news_if_it_is_higher_and_the_chord_open() -> None:
    news = chord_items.is_news("i0", 3)
    assert holds(news, a_root())
    assert holds(news, {**a_root(), "shard_i0": number(2)})
    assert not holds(news, {**a_root(), "shard_i0": number(3)})
    assert not holds(news, {**a_root(), "shard_i0": number(4)})
    assert holds(news, {**a_root(), "shard_i1": number(4)})
    assert not holds(news, {**a_root(), "done": number(1)})
    assert not holds(news, {})
