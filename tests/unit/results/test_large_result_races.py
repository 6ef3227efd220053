"""Somebody reads, writes, dies or loses an answer between any two requests of a large result.

A reader sees what was stored before or what is stored after, never half of it, and never the old
once more after the new.
"""

from collections.abc import Callable
from itertools import count

import pytest

from celery_aws.core import large_results
from celery_aws.core.attributes import Item
from celery_aws.core.conditions import Condition
from celery_aws.errors import ResultUnreadableError, UnreachableError
from celery_aws.names import TableName
from tests.unit.results.conftest import TABLE
from tests.unit.results.large_scene import Scene, meta
from tests.unit.results.test_store import KEY

SMALL_FAILURE = meta("FAILURE", 1_000)
LARGE_FAILURE = meta("FAILURE", 1_000_000)
OTHER_FAILURE = meta("FAILURE", 1_300_000, seed=1)
SMALL = meta("SUCCESS", 1_000)
LARGE = meta("SUCCESS", 1_500_000)
COMPRESSIBLE = meta("SUCCESS", 1_000)[:-2] + b"row;" * 1_000_000 + b'"}'

OLD = pytest.mark.parametrize(
    "old", [None, SMALL_FAILURE, LARGE_FAILURE], ids=["nothing", "small", "large"]
)
NEW = pytest.mark.parametrize("new", [SMALL, COMPRESSIBLE, LARGE], ids=["small", "packed", "large"])


class KilledError(BaseException):
    """The writer is gone."""


def at_request(number: int, what: Callable[[], object]) -> Callable[[str], None]:
    """Return an intervention at the request of this number, counted from 0."""
    numbers = count()

    def intervention(operation: str) -> None:
        if next(numbers) == number:
            what()

    return intervention


def die() -> None:
    raise KilledError


@pytest.fixture(autouse=True)
def _more_pieces_than_a_request_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_results, "PIECE_BYTES", 40_000)


@pytest.fixture(params=["table", "S3"])
def kind(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == "S3")


def a_scene(kind: bool, old: bytes | None) -> Scene:
    scene = Scene(has_bucket=kind)
    if old is not None:
        scene.write(old)
    return scene


@OLD
@NEW
def test_a_look_before_each_request_of_a_writer(kind: bool, old: bytes | None, new: bytes) -> None:
    scene = a_scene(kind, old)
    seen: list[bytes | None] = []
    scene.steps.intervention = lambda _: seen.append(scene.read())
    assert scene.write(new)
    seen.append(scene.read())
    first = seen.index(new)
    assert first > 0
    assert seen == [old] * first + [new] * (len(seen) - first)


@OLD
@NEW
def test_a_writer_that_dies_before_any_of_its_requests(
    kind: bool, old: bytes | None, new: bytes
) -> None:
    for number in count():
        scene = a_scene(kind, old)
        scene.steps.intervention = at_request(number, die)
        try:
            scene.write(new)
        except KilledError:
            seen = scene.read()
            assert seen in (old, new)
            assert all("ttl" in piece for piece in scene.pieces()), "it is left to expire"
            assert scene.write(new) is (seen == old), "the task is delivered again"
            assert scene.read() == new
        else:
            break
    assert number >= (3 if new is LARGE and not kind else 1), "more than one request of pieces"
    assert scene.unused() == 0


@pytest.mark.parametrize("new", [SMALL, LARGE, None], ids=["small", "large", "forgotten"])
def test_a_writer_between_any_two_requests_of_a_reader(kind: bool, new: bytes | None) -> None:
    numbers = {"read": 0, "read_many": 0}
    for way in numbers:
        for number in count():
            scene = a_scene(kind, LARGE_FAILURE)
            scene.write(SMALL, b"other")
            done: list[object] = []

            def write(scene: Scene = scene, done: list[object] = done) -> None:
                done.append(new)
                if new is None:
                    scene.store.delete(KEY)
                else:
                    scene.write(new)

            scene.steps.intervention = at_request(number, write)
            if way == "read":
                seen = scene.store.read(KEY)
            else:
                both = scene.store.read_many([KEY, b"other"])
                assert both.pop(b"other") == SMALL
                seen = both.get(KEY)
            assert seen in (LARGE_FAILURE, new)
            if not done:
                break
            numbers[way] += 1
    assert numbers == {"read": 2, "read_many": 2}


def test_a_reader_looks_again_as_often_as_it_is_replaced_but_not_for_ever(kind: bool) -> None:
    scene = a_scene(kind, LARGE_FAILURE)
    payloads = [LARGE_FAILURE, OTHER_FAILURE]
    times = count()

    def replace(operation: str) -> None:
        if (operation == "GetObject") if kind else (operation == "BatchGetItem"):
            scene.write(payloads[next(times) % 2])

    scene.steps.intervention = replace
    with pytest.raises(ResultUnreadableError):
        scene.store.read(KEY)
    assert 5 <= next(times) <= 10
    scene.steps.intervention = None
    assert scene.read() in payloads
    assert scene.unused() == 0


@OLD
@NEW
def test_two_writers_at_once(kind: bool, old: bytes | None, new: bytes) -> None:
    for number in count():
        scene = a_scene(kind, old)
        done: list[bool] = []

        def write(scene: Scene = scene, done: list[bool] = done) -> None:
            done.append(scene.write(OTHER_FAILURE))

        scene.steps.intervention = at_request(number, write)
        scene.write(new)
        scene.steps.intervention = None
        assert scene.read() == new, "a success stays, whoever came first"
        assert scene.unused() == 0
        if not done:
            break


class SentTwice(Scene):
    """Every PutItem is executed, its answer is lost, and botocore sends it again."""

    def __post_init__(self) -> None:
        super().__post_init__()
        put = self.tables.put_item

        def put_twice(
            table: TableName, item: Item, *, condition: Condition | None = None
        ) -> Item | None:
            put(table, item, condition=condition)
            return put(table, item, condition=condition)

        self.tables.put_item = put_twice  # type: ignore[method-assign]


@pytest.mark.parametrize("new", [LARGE, LARGE_FAILURE], ids=["success", "failure"])
def test_a_head_that_is_sent_twice_keeps_what_it_shows(kind: bool, new: bytes) -> None:
    scene = SentTwice(has_bucket=kind)
    scene.write(new)
    assert scene.read() == new
    scene.store.write(b"group", new, life_seconds=None)
    assert scene.store.read(b"group") == new
    assert scene.unused() == 0


class Unanswered(Scene):
    """The next PutItem is executed, and its answer never comes."""

    def __post_init__(self) -> None:
        super().__post_init__()
        put = self.tables.put_item
        unanswered = iter([True])

        def put_in_vain(
            table: TableName, item: Item, *, condition: Condition | None = None
        ) -> Item | None:
            old = put(table, item, condition=condition)
            if next(unanswered, False):
                raise UnreachableError("no answer")
            return old

        self.tables.put_item = put_in_vain  # type: ignore[method-assign]


@pytest.mark.parametrize("new", [LARGE, LARGE_FAILURE], ids=["success", "failure"])
def test_a_head_whose_answer_never_came_is_whole_and_stored_again(kind: bool, new: bytes) -> None:
    scene = Unanswered(has_bucket=kind)
    with pytest.raises(UnreachableError):
        scene.write(new)
    assert scene.read() == new
    scene.write(new)
    assert scene.read() == new
    assert scene.unused() == 0
    assert len(scene.tables.items(TABLE)) > 0
