from hypothesis import given
from hypothesis import strategies as st

from celery_aws.core.batching import batches

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
