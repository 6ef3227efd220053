"""How what is measured must grow."""

from dataclasses import replace

from bench.growth import Cost, checks, sizes, table


def costs() -> list[Cost]:
    return [
        Cost(size=size, tasks_per_second=300, requests=1.3, cpu=2.0, memory_mb=100, growth_mb=1.0)
        for size in sizes(100_000)
    ]


def failed(found: list[Cost]) -> list[str]:
    return [words.partition(":")[0] for words, true in checks(found) if not true]


def test_what_is_measured() -> None:
    assert [(each.tasks, each.queues, each.workers) for each in sizes(100_000)] == [
        (1_000, 1, 1),
        (10_000, 1, 1),
        (100_000, 1, 1),
        (10_000, 4, 1),
        (10_000, 16, 1),
        (10_000, 1, 2),
        (10_000, 1, 4),
    ]


def test_the_same_everywhere_is_fine() -> None:
    assert failed(costs()) == []
    assert len(list(table(costs()))) == 9


def test_a_task_that_costs_more_among_many() -> None:
    found = costs()
    found[2] = replace(found[2], cpu=2.6, growth_mb=20.0)
    assert failed(found) == [
        "CPU s for 1,000 tasks, 100,000 tasks, 1 queues, 1 workers",
        "memory after 100,000 tasks",
    ]


def test_queues_may_cost_along_a_line_and_no_more() -> None:
    found = costs()
    found[3], found[4] = replace(found[3], requests=1.6), replace(found[4], requests=2.8)
    assert failed(found) == []
    found[4] = replace(found[4], requests=5.2)
    assert failed(found) == ["requests a task, 10,000 tasks, 16 queues, 1 workers"]
