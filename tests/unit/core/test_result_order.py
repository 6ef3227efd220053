from celery_aws.core.result_order import ResultOrder


def made(order: ResultOrder, *task_ids: str, behind: str | None = None) -> None:
    """Celery tells of the members of a group one at a time."""
    for task_id in task_ids:
        order.remember([task_id], behind=behind)
        behind = task_id


def test_members_follow_each_other() -> None:
    order = ResultOrder()
    made(order, "a", "b", "c")
    assert order.follows("a", "b")
    assert not order.follows("a", "c")
    assert not order.follows("b", "a")
    assert order.from_here("a", 2) == ["a", "b"]
    assert order.from_here("b", 9) == ["b", "c"]


def test_nothing_is_known_of_what_was_not_remembered() -> None:
    order = ResultOrder()
    assert not order.follows("a", "b")
    assert order.from_here("a", 9) == ["a"]


def test_a_result_keeps_its_place() -> None:
    order = ResultOrder()
    made(order, "a", "b", "c")
    made(order, "a", "c", "b", behind="c")
    assert order.from_here("a", 9) == ["a", "b", "c"]


def test_what_has_ended_is_passed_over() -> None:
    order = ResultOrder()
    made(order, "a", "b", "c", "d")
    order.finish("b")
    assert order.follows("a", "c")
    assert order.from_here("a", 9) == ["a", "c", "d"]


def test_who_asks_for_what_has_ended_asks_for_all() -> None:
    order = ResultOrder()
    order.remember(["a", "b", "c"])
    order.finish("a")
    order.finish("b")
    assert order.from_here("a", 9) == ["a", "b", "c"]


def test_where_a_scan_stopped_reading_ahead_stops() -> None:
    order = ResultOrder()
    made(order, "a1", "a2", "b1", "b2")
    order.end("a2")
    assert order.from_here("a1", 9) == ["a1", "a2"]
    order.finish("a2")
    assert order.from_here("a1", 9) == ["a1"]


def test_it_goes_on_where_a_scan_went_on_after_all() -> None:
    order = ResultOrder()
    made(order, "a", "b", "c", "d")
    order.end("b")
    order.finish("b")
    assert order.follows("a", "c")
    assert order.from_here("a", 9) == ["a", "c", "d"]


def test_the_oldest_are_forgotten() -> None:
    order = ResultOrder(most=3)
    order.remember(["a", "b", "c", "d", "e"])
    order.finish("a")
    assert len(order) == 3
    assert not order.follows("a", "b")
    assert not order.is_finished("a")
    assert order.from_here("c", 9) == ["c", "d", "e"]
    order.remember(["c", "a"], behind="e")
    assert order.from_here("d", 9) == ["d", "e"]
    assert len(order) == 3


def test_no_end_is_remembered_of_what_was_forgotten() -> None:
    order = ResultOrder(most=2)
    order.remember(["a", "b", "c"])
    order.end("a")
    order.remember(["a", "d"])
    assert order.from_here("a", 9) == ["a", "d"]
