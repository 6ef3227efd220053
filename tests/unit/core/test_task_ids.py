import tracemalloc
import uuid

from hypothesis import given
from hypothesis import strategies as st

from celery_aws.core.task_ids import TaskIds


@given(ids=st.lists(st.text(max_size=3), max_size=20), times=st.sampled_from([1, 70, 200]))
def test_ids_come_back_in_their_order(ids: list[str], times: int) -> None:
    kept = TaskIds()
    for task_id in ids * times:
        kept.append(task_id)
    assert list(kept) == ids * times
    assert len(kept) == len(ids) * times


def test_a_million_take_some_20_mb() -> None:
    made = [str(uuid.uuid4()) for _ in range(50_000)]
    tracemalloc.start()
    try:
        kept = TaskIds()
        for task_id in made:
            kept.append(task_id)
        taken_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken_bytes / len(made) < 25
    assert list(kept) == made
