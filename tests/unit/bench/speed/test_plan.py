"""What is measured, in which order."""

from bench.speed import plan


def test_sides_take_turns_within_a_pool_and_a_round() -> None:
    found = plan.cells(pools=["prefork2", "gevent100"], latencies_ms=[8], seconds=4)
    assert [(each.side, each.pool.name) for each in found] == [
        ("ours", "prefork2"),
        ("stock", "prefork2"),
        ("tuned", "prefork2"),
        ("redis", "prefork2"),
        ("ours", "gevent100"),
        ("stock", "gevent100"),
        ("redis", "gevent100"),
    ]
    assert [each for _, each in plan.rounds(found, 2)] == found * 2
    assert [number for number, _ in plan.rounds(found, 2)] == [0] * 7 + [1] * 7


def test_stock_has_as_many_tasks_as_it_does_in_the_time() -> None:
    (stock,) = plan.cells(sides=["stock"], pools=["prefork2"], latencies_ms=[0], seconds=4)
    assert stock.tasks - stock.warm_tasks == 32
    assert (stock.single, stock.group, stock.round_trips) == (200, 1_000, 12)


def test_publishing_is_measured_once() -> None:
    found = plan.cells(latencies_ms=[8], seconds=4)
    assert {each.side for each in found if each.single} == {"ours", "stock", "redis"}
    assert {each.pool.name for each in found if each.single or each.round_trips} == {"prefork2"}
