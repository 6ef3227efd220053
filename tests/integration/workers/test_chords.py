"""Chords on a real worker: the body runs once, with what the header returned, in its order.

Redis is the measure: every one of these has the same outcome there.
"""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from celery import chain, chord, group
from celery.canvas import Signature

from celery_aws.local import LocalAws
from tests.integration.workers.chord_scene import ChordProject, chord_scene
from tests.integration.workers.conftest import PATIENCE_SECONDS

pytestmark = pytest.mark.worker

Canvas = Callable[[ChordProject, Signature], Signature]


@pytest.fixture(scope="module")
def chords(local_aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChordProject]:
    """A project with one worker for all tests here."""
    with (
        chord_scene(local_aws, tmp_path_factory.mktemp("chords")) as project,
        project.worker(pool="prefork", concurrency=2),
    ):
        yield project


def echoes(chords: ChordProject, values: Any) -> list[Signature]:
    return [chords.task("echo", value) for value in values]


def of_size(size: int) -> Canvas:
    return lambda chords, body: chord(echoes(chords, range(size)), body)


def of(*header: str) -> Canvas:
    """Return a chord whose header is tasks of these names, each called with its place."""
    return lambda chords, body: chord(
        [chords.task(name, place) for place, name in enumerate(header)], body
    )


def generator(chords: ChordProject, body: Signature) -> Signature:
    return chord((chords.task("echo", i) for i in range(70)), body, app=chords.sender)


def nested_groups(chords: ChordProject, body: Signature) -> Signature:
    inner = group([*echoes(chords, [2, 3]), group(echoes(chords, [4, 5]))])
    return chord([*echoes(chords, [1]), inner, *echoes(chords, [6])], body)


def groups(chords: ChordProject, body: Signature) -> Signature:
    return chord([group(echoes(chords, range(n, n + 10))) for n in range(0, 80, 10)], body)


def chord_of_chords(chords: ChordProject, body: Signature) -> Signature:
    return chord([chord(echoes(chords, [n, n]), chords.task("total")) for n in range(3)], body)


def with_chains(chords: ChordProject, body: Signature) -> Signature:
    return chord([chain(each, chords.task("plus", 10)) for each in echoes(chords, [1, 2])], body)


def with_a_group_in_a_chain(chords: ChordProject, body: Signature) -> Signature:
    grouped = chain(chords.task("echo", 1), group(chords.task("plus", 1), chords.task("plus", 2)))
    return chord([grouped, chords.task("echo", 9)], body)


def chains_around(chords: ChordProject, body: Signature) -> Signature:
    header = group(chords.task("plus", 1), chords.task("plus", 2))
    return chain(chords.task("echo", 1), header, chords.task("total"), body)


def body_of_a_chain(chords: ChordProject, body: Signature) -> Signature:
    return chord(echoes(chords, [1, 2]), chain(chords.task("total"), body))


def chords_in_a_row(chords: ChordProject, body: Signature) -> Signature:
    first = chord(echoes(chords, [1, 2]), chords.task("total"), app=chords.sender)
    return chain(first, group(chords.task("plus", 1), chords.task("plus", 2)), body)


def replaced_by_many(name: str) -> Canvas:
    # The same value: Celery 5.5 gives both the place of the task that they replace.
    return lambda chords, body: chord([chords.task(name, [2, 2]), chords.task("echo", 9)], body)


def the_same_task_twice(chords: ChordProject, body: Signature) -> Signature:
    task = chords.task("echo", 1)
    return chord([task, task.clone(), chords.task("echo", 2)], body)


def adding(chords: ChordProject, body: Signature) -> Signature:
    return chord([chords.task("adding", 0, 7), chords.task("echo", 1)], body)


def adding_late(chords: ChordProject, body: Signature) -> Signature:
    return chord([chords.task("adding", 0, 7, 0.5), chords.task("echo", 1)], body)


@pytest.mark.oldest
@pytest.mark.parametrize(
    ("canvas", "expected"),
    [
        pytest.param(of_size(0), [], id="of none"),
        pytest.param(of_size(1), [0], id="of one"),
        pytest.param(of_size(50), list(range(50)), id="of 50"),
        pytest.param(generator, list(range(70)), id="a generator"),
        pytest.param(chord_of_chords, [0, 2, 4], id="a chord of chords"),
        pytest.param(with_chains, [11, 12], id="chains in the header"),
        pytest.param(with_a_group_in_a_chain, [[2, 3], 9], id="a group in a chain in the header"),
        pytest.param(chains_around, 5, id="a chain before and after"),
        pytest.param(body_of_a_chain, 3, id="a chain as body"),
        pytest.param(chords_in_a_row, [4, 5], id="a chord after a chord"),
        pytest.param(of("quiet_echo", "echo", "quiet_echo"), [0, 1, 2], id="results ignored"),
        pytest.param(of("echo", "retried", "retried"), [0, 1, 2], id="retried"),
        pytest.param(of("replaced", "echo"), [0, 1], id="replaced"),
        pytest.param(replaced_by_many("replaced_by_group"), [[2, 2], 9], id="replaced by a group"),
        pytest.param(replaced_by_many("replaced_by_chord"), [4, 9], id="replaced by a chord"),
        pytest.param(the_same_task_twice, [1, 1, 2], id="a task twice"),
    ],
)
def test_the_body_runs_once_with_the_results_of_the_header(
    chords: ChordProject, canvas: Canvas, expected: Any
) -> None:
    name = uuid4().hex

    result = canvas(chords, chords.task("body", name)).delay()

    values = result.get(timeout=PATIENCE_SECONDS)
    assert values == expected
    assert [(each.task_id, each.value) for each in chords.effects(name)] == [(result.id, expected)]


@pytest.mark.oldest
@pytest.mark.parametrize(
    ("canvas", "expected"),
    [
        # Celery unrolls groups in a header, in an order of its own.
        pytest.param(nested_groups, [1, 2, 3, 4, 5, 6], id="nested groups"),
        pytest.param(groups, list(range(80)), id="groups"),
        # It has the place of the task that has added it.
        pytest.param(adding, [0, 1, 7], id="added by a header task"),
        pytest.param(adding_late, [0, 1, 7], id="added when all others have returned"),
    ],
)
def test_the_body_gets_every_result_of_the_header(
    chords: ChordProject, canvas: Canvas, expected: Any
) -> None:
    name = uuid4().hex

    result = canvas(chords, chords.task("body", name)).delay()

    assert sorted(result.get(timeout=PATIENCE_SECONDS)) == expected
    assert [each.task_id for each in chords.effects(name)] == [result.id]


@pytest.mark.oldest
def test_every_task_of_a_group_as_body_gets_the_results(chords: ChordProject) -> None:
    name = uuid4().hex
    body = group(chords.task("body", name), chords.task("total"))

    result = chord(echoes(chords, [1, 2]), body).delay()

    assert result.get(timeout=PATIENCE_SECONDS) == [[1, 2], 3]
    assert [each.value for each in chords.effects(name)] == [[1, 2]]


@pytest.mark.oldest
@pytest.mark.parametrize("task", ["generated", "chained"])
def test_a_pool_child_sends_chords(chords: ChordProject, task: str) -> None:
    name = uuid4().hex

    body_id = chords.task(task, 5, name).delay().get(timeout=PATIENCE_SECONDS)

    values = chords.sender.AsyncResult(body_id).get(timeout=PATIENCE_SECONDS)
    assert values == {"generated": list(range(5)), "chained": [6, 7]}[task]
    assert [each.task_id for each in chords.effects(name)] == [body_id]


@pytest.mark.parametrize("size", [500, pytest.param(5_000, marks=pytest.mark.soak)])
def test_a_large_header(chords: ChordProject, size: int) -> None:
    name = uuid4().hex

    result = chord(echoes(chords, range(size)), chords.task("body", name)).delay()

    assert result.get(timeout=size / 10) == list(range(size))
    assert [each.task_id for each in chords.effects(name)] == [result.id]


@pytest.mark.parametrize("pool", ["threads", "gevent"])
def test_in_other_pools(chords: ChordProject, pool: str) -> None:
    name = uuid4().hex
    canvas = chord(echoes(chords, range(70)), chords.task("body", name))
    nested = chord([canvas, chords.task("quiet_echo", "quiet")], chords.task("body", "all"))
    with chords.worker(name=pool, pool=pool, concurrency=10, queues=[pool]):
        result = nested.apply_async(queue=pool)

        assert result.get(timeout=PATIENCE_SECONDS) == [list(range(70)), "quiet"]
    assert len(chords.effects(name)) == 1
    assert chords.messages(pool) == (0, 0)
