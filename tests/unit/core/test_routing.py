from collections.abc import Sequence
from itertools import chain, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from celery_aws.core.routing import Binding, ExchangeKind, matches, targets
from tests.unit.core.controlling import binding


def first(several: Sequence[Binding]) -> Binding:
    return several[0]


#: Topics of the AMQP 0-9-1 specification (3.1.3.3), of RabbitMQ's tutorial and test suite
#: (rabbit_exchange_type_topic), and of Celery's events.
TOPICS = [
    ("*.stock.#", "usd.stock", True),
    ("*.stock.#", "eur.stock.db", True),
    ("*.stock.#", "stock.nasdaq", False),
    ("*.orange.*", "quick.orange.rabbit", True),
    ("*.orange.*", "quick.orange.male.rabbit", False),
    ("*.orange.*", "orange", False),
    ("lazy.#", "lazy", True),
    ("lazy.#", "lazy.pink.rabbit", True),
    ("lazy.#", "lazier", False),
    ("*.*.rabbit", "lazy.orange.rabbit", True),
    ("a.b.c", "a.b.c", True),
    ("a.b.c", "a.b", False),
    ("a.*.c", "a.b.c", True),
    ("a.#.b", "a.b", True),
    ("a.#.b", "a.x.y.b", True),
    ("a.#.b", "a.x.y", False),
    ("#.#", "", True),
    ("#.#", "a", True),
    ("*.#", "", False),
    ("*.#", "a", True),
    ("#.*", "a.b", True),
    ("#.*.#", "", False),
    ("a.*.*", "a.b", False),
    ("a.b.b.c", "a.b.c", False),
    ("#.a", "a.a", True),
    ("#", "", True),
    ("*", "", False),
    ("", "", True),
    ("", "a", False),
    ("a.*.b", "a..b", True),
    ("a..b", "a..b", True),
    ("a.*", "a.", True),
    ("a", "A", False),
    ("a*", "ab", False),
    ("a#", "abc", False),
    ("a+b", "aab", False),
    ("#", "worker.heartbeat", True),
    ("worker.#", "worker.heartbeat", True),
    ("task.*", "worker.online", False),
    ("task.#", "task.multi", True),
]


@pytest.mark.parametrize(("pattern", "key", "expected"), TOPICS)
def test_topics(pattern: str, key: str, expected: bool) -> None:
    assert matches("topic", pattern, key) is expected
    assert reference(pattern, key) is expected


def reference(pattern: str, key: str) -> bool:
    """Match by trying, for each ``#``, every number of ``*`` that it may stand for."""
    parts = pattern.split(".") if pattern else []
    words = key.split(".") if key else []
    choices = [
        [["*"] * count for count in range(len(words) + 1)] if part == "#" else [[part]]
        for part in parts
    ]
    return any(
        len(flat) == len(words)
        and all(part in ("*", word) for part, word in zip(flat, words, strict=True))
        for flat in (list(chain(*choice)) for choice in product(*choices))
    )


def keys(words: Sequence[str], most: int) -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from(words), max_size=most).map(".".join)


@given(keys(["a", "b", "*", "#", ""], 5), keys(["a", "b", ""], 5))
def test_a_topic_matches_as_the_specification_says(pattern: str, key: str) -> None:
    assert matches("topic", pattern, key) is reference(pattern, key)


@given(st.text(max_size=8), st.text(max_size=8))
def test_a_direct_exchange_compares_and_a_fanout_does_not_look(bound: str, key: str) -> None:
    assert matches("direct", bound, key) is (bound == key)
    assert matches("direct", bound, bound)
    assert matches("fanout", bound, key)


SOME = st.lists(
    st.builds(
        binding,
        st.just("x"),
        st.sampled_from(["q1", "q2", "q3"]),
        kind=st.sampled_from(["direct", "topic", "fanout"]),
        key=st.sampled_from(["a", "b", "#", "a.*"]),
        inbox=st.sampled_from([None, "i1", "i2"]),
        token=st.sampled_from(["t1", "t2"]),
    ),
    max_size=12,
)


@given(SOME, st.sampled_from(["a", "b", "a.b", ""]))
def test_each_queue_is_there_once_and_only_if_it_is_bound(bound: list[Binding], key: str) -> None:
    found = targets(bound, key, choose=first)

    assert all(each in bound and matches(each.kind, each.routing_key, key) for each in found)
    queues = [(each.queue, each.inbox, each.token) for each in found]
    assert len(queues) == len(set(queues))
    matching = [each for each in bound if matches(each.kind, each.routing_key, key)]
    assert {each.queue for each in found} == {each.queue for each in matching}


@pytest.mark.parametrize("kind", ["topic", "fanout"])
def test_every_process_hears_a_topic_and_a_fanout(kind: ExchangeKind) -> None:
    bound = [binding(kind=kind, key="#", inbox=inbox, token=inbox) for inbox in ("i1", "i2", "i3")]

    assert targets(bound, "k", choose=first) == bound


def test_queues_of_one_name_share_what_a_direct_exchange_brings() -> None:
    shared = [binding("x", "q", kind="direct", key="k", inbox=f"i{n}") for n in range(3)]
    other = binding("x", "other", kind="direct", key="k", inbox="i1")
    durable = binding("x", "d", kind="direct", key="k", inbox=None)
    asked: list[list[Binding]] = []

    def last(several: Sequence[Binding]) -> Binding:
        asked.append(list(several))
        return several[-1]

    found = targets([*shared, other, durable], "k", choose=last)

    assert found == [durable, shared[-1], other]
    assert asked == [shared, [other]]


def test_a_queue_bound_by_two_keys_gets_a_message_once() -> None:
    bound = [binding("x", "q", kind="topic", key=key, inbox=None) for key in ("#", "a.*", "b")]

    assert targets(bound, "a.b", choose=first) == bound[:1]


def test_a_binding_that_a_queue_of_that_name_left_behind_takes_nothing_from_the_new_one() -> None:
    left = binding("x", "q", kind="topic", key="#", token="old")
    new = binding("x", "q", kind="topic", key="a.*", token="new")

    assert new in targets([left, new], "a.b", choose=first)


def test_only_a_queue_in_a_process_is_transient() -> None:
    assert binding(inbox="i1").transient
    assert not binding(inbox=None).transient
