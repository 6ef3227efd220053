"""Names of keys."""

import fnmatch
from types import SimpleNamespace

import pytest

from celery_aws.migrate.results.redis_results import Kind, RedisResults, escaped
from celery_aws.testing.clock import FakeClock

BACKEND = SimpleNamespace(
    task_keyprefix=b"p_celery-task-meta-", group_keyprefix=b"p_celery-taskset-meta-"
)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (b"p_celery-task-meta-a.s", (Kind.TASK, "a.s", "")),
        (b"p_celery-taskset-meta-g", (Kind.GROUP, "g", "")),
        (b"p_celery-taskset-meta-g.s", (Kind.CHORD, "g", ".s")),
        (b"p_celery-taskset-meta-g.j.moved", (Kind.CHORD, "g", ".j.moved")),
        (b"p_celery-taskset-meta-a.b", (Kind.GROUP, "a.b", "")),
        (b"celery-task-meta-a", None),
        (b"p_celery", None),
        (b"p_celery-task-meta-", None),
        (b"p_celery-taskset-meta-", None),
    ],
)
def test_a_key_says_what_it_is(key: bytes, expected: tuple[Kind, str, str] | None) -> None:
    found = RedisResults(BACKEND, FakeClock()).name(key)
    assert (found and (found.kind, found.id, found.suffix)) == expected


def test_a_prefix_is_no_pattern() -> None:
    assert escaped(b"a*b?[c]\\") == rb"a\*b\?\[c\]\\"
    assert fnmatch.fnmatchcase("plain_celery", escaped(b"plain_celery").decode())
