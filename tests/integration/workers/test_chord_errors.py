"""What becomes of a chord whose header fails: its body fails with the cause, and is told once.

Redis is the measure: every one of these has the same outcome there.
"""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from celery import chord, group, states
from celery.backends.base import Backend
from celery.canvas import Signature
from celery.exceptions import ChordError
from celery.result import AsyncResult

from celery_aws.local import LocalAws
from tests.integration.workers.chord_scene import ChordProject, chord_scene
from tests.integration.workers.conftest import PATIENCE_SECONDS

pytestmark = [pytest.mark.worker, pytest.mark.oldest]

#: In Celery 5.5, and no more in 5.7, the tasks of a group that is a body stay pending.
GROUP_BODIES_FAIL = hasattr(Backend, "_handle_group_chord_error")


@pytest.fixture(scope="module")
def chords(local_aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChordProject]:
    """A project with one worker for all tests here."""
    with (
        chord_scene(local_aws, tmp_path_factory.mktemp("chords")) as project,
        project.worker(pool="prefork", concurrency=2),
    ):
        yield project


def body(chords: ChordProject, name: str) -> Signature:
    told: Signature = chords.task("body", name)
    return told.on_error(chords.task("errback", name))


def outcome(chords: ChordProject, name: str, result: AsyncResult) -> ChordError:
    """Wait for the chord's error, and see that it is told once and everywhere the same."""
    told = chords.wait_for_effects(name, "errback")
    assert [each.task_id for each in told] == [result.id]
    error = result.get(timeout=PATIENCE_SECONDS, propagate=False)
    assert result.state == states.FAILURE
    assert isinstance(error, ChordError)
    assert told[0].value[0] == repr(error)
    assert chords.effects(name) == []
    return error


def nothing_more_comes(chords: ChordProject, name: str) -> None:
    """See that all is over, and that nothing was told a second time."""
    assert chords.wait_for_messages((0, 0)) == (0, 0)
    assert len(chords.effects(name, "errback")) == 1
    assert chords.effects(name) == []


@pytest.mark.parametrize(
    "header", [["fail"], ["fail", "echo"], ["echo", "fail", "echo", "fail"]], ids=len
)
def test_a_failed_header_is_the_error_of_the_body(chords: ChordProject, header: list[str]) -> None:
    name = uuid4().hex
    tasks = [chords.task(each, "why") for each in header]

    result = chord(tasks, body(chords, name)).delay()

    error = outcome(chords, name, result)
    assert "raised LookupError('why')" in str(error)
    assert chords.effects(name, "errback")[0].value[1] == "LookupError('why')"
    nothing_more_comes(chords, name)


def test_the_error_names_the_first_failed_task_of_the_header(chords: ChordProject) -> None:
    name = uuid4().hex
    header = [
        chords.task("echo", 1),
        chords.task("fail_after", "first", 0.5, task_id=f"{name}-first"),
        chords.task("fail_after", "second", 0.0, task_id=f"{name}-second"),
    ]

    result = chord(header, body(chords, name)).delay()

    error = outcome(chords, name, result)
    assert str(error) == f"Dependency {name}-first raised LookupError('first')"


def test_a_revoked_header_task_is_an_error(chords: ChordProject) -> None:
    name = uuid4().hex
    chords.sender.control.revoke(f"{name}-revoked", reply=True, limit=1, timeout=10)
    header = [chords.task("echo", 1), chords.task("echo", 2, task_id=f"{name}-revoked")]

    result = chord(header, body(chords, name)).delay()

    error = outcome(chords, name, result)
    assert str(error) == f"Dependency {name}-revoked raised TaskRevokedError('revoked')"


def test_a_chord_that_fails_in_a_header_is_the_error_of_whoever_waits(
    chords: ChordProject,
) -> None:
    """The outer body is never told: Celery tells no chord of an inner one's failed body."""
    inner, outer = uuid4().hex, uuid4().hex
    failing = chord([chords.task("fail", "why"), chords.task("echo", 1)], body(chords, inner))

    result = chord([failing, chords.task("echo", 2)], body(chords, outer)).delay()

    with pytest.raises((ChordError, LookupError), match="why"):
        result.get(timeout=PATIENCE_SECONDS)
    assert len(chords.wait_for_effects(inner, "errback")) == 1
    nothing_more_comes(chords, inner)


@pytest.mark.skipif(not GROUP_BODIES_FAIL, reason="this Celery leaves them waiting")
def test_every_task_of_a_group_as_body_fails(chords: ChordProject) -> None:
    name = uuid4().hex
    bodies = group(body(chords, name), body(chords, name))

    result = chord([chords.task("fail", "why"), chords.task("echo", 1)], bodies).delay()

    for each in result.results:
        error = each.get(timeout=PATIENCE_SECONDS, propagate=False)
        assert each.state == states.FAILURE
        assert "why" in str(error)
    assert chords.effects(name) == []


def test_a_failed_body_is_no_error_of_the_chord(chords: ChordProject) -> None:
    header = [chords.task("echo", 1), chords.task("echo", 2)]

    result = chord(header, chords.task("fail", "why", immutable=True)).delay()

    with pytest.raises(LookupError, match="why"):
        result.get(timeout=PATIENCE_SECONDS)
