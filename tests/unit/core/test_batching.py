from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from celery_aws.core.batching import batches, batches_by_size
from celery_aws.limits import SQS_MESSAGE_BYTES

sizes = st.lists(st.integers(0, 120), max_size=60)
entries = st.lists(st.tuples(st.sampled_from("abc"), st.integers()), max_size=60)


@given(entries, st.integers(1, 10))
def test_every_entry_is_in_one_batch_of_its_key_in_order(
    entries: list[tuple[str, int]], most: int
) -> None:
    made = batches(entries, most)

    for key in "abc":
        flat = [entry for of_key, batch in made if of_key == key for entry in batch]
        assert flat == [entry for of_key, entry in entries if of_key == key]
    assert all(1 <= len(batch) <= most for _, batch in made)


@given(entries)
def test_no_more_batches_than_needed(entries: list[tuple[str, int]]) -> None:
    counts = [sum(of_key == key for of_key, _ in entries) for key in "abc"]

    assert len(batches(entries)) == sum(-(-count // 10) for count in counts)


@given(sizes, st.integers(1, 10))
def test_every_entry_is_in_one_batch_in_order_and_no_batch_is_too_large(
    sizes: list[int], most: int
) -> None:
    made = batches_by_size(sizes, int, most=most, most_bytes=100)

    assert [size for batch in made for size in batch] == sizes
    assert all(1 <= len(batch) <= most for batch in made)
    assert all(sum(batch) <= 100 or len(batch) == 1 for batch in made)


@given(sizes)
def test_a_batch_ends_only_where_the_next_entry_does_not_fit(sizes: list[int]) -> None:
    made = batches_by_size(sizes, int, most=10, most_bytes=100)

    for batch, following in pairwise(made):
        assert len(batch) == 10 or sum(batch) + following[0] > 100


def test_a_batch_of_messages_is_what_sqs_takes() -> None:
    assert [len(batch) for batch in batches_by_size(["x"] * 11, len)] == [10, 1]
    half = "x" * (SQS_MESSAGE_BYTES // 2)
    assert [len(batch) for batch in batches_by_size([half, half, "x"], len)] == [2, 1]
