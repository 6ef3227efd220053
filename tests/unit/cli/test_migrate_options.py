"""What the commands of ``migrate`` are told of the old side."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from celery_aws.cli.migrate_moving import Moving, moving_options
from celery_aws.cli.migrate_options import OldSide, old_side_options

told: list[OldSide | Moving] = []


@click.command()
@old_side_options
@moving_options
def command(*, old: OldSide, moving: Moving) -> None:
    told[:] = [old, moving]


def run(*arguments: str, exit_code: int = 0, **environment: str) -> str:
    ended = CliRunner().invoke(command, arguments, env=environment)
    assert ended.exit_code == exit_code, ended.output
    return ended.output


def test_nothing_said_is_everything_and_no_thread_beside() -> None:
    run()

    assert told == [
        OldSide(),
        Moving(
            threads=1,
            per_second=None,
            follow=False,
            take_held=False,
            even_if_alive=False,
            yes=False,
            as_json=False,
            messages=True,
            results=True,
        ),
    ]


def test_all_of_it_arrives() -> None:
    run(
        *("--from", "redis://:secret@one/0", "--from-config", "old.py:CELERY"),
        *("--results-from", "redis://:secret@one/1", "--queue", "a", "--queue", "b=c"),
        *("--management-url", "http://u:secret@one", "--journal", "j", "--threads", "4"),
        *("--rate", "0.5", "--take-held", "--even-if-alive", "--follow", "--no-results"),
    )

    old, moving = told
    assert old == OldSide(
        configuration="old.py:CELERY",
        broker_url="redis://:secret@one/0",
        result_backend="redis://:secret@one/1",
        queues={"a": "a", "b": "c"},  # type: ignore[dict-item]
        management_url="http://u:secret@one",
        journal=Path("j"),
    )
    assert isinstance(moving, Moving)
    assert (moving.threads, moving.per_second, moving.follow) == (4, 0.5, True)
    assert (moving.take_held, moving.even_if_alive, moving.results) == (True, True, False)
    assert "secret" not in repr(old)


def test_urls_with_passwords_may_come_from_the_environment() -> None:
    run(CELERY_AWS_MIGRATE_FROM="redis://:secret@one/0")

    assert isinstance(told[0], OldSide)
    assert told[0].broker_url == "redis://:secret@one/0"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--queue", "=b"], "neither OLD nor OLD=NEW"),
        (["--queue", "a="], "neither OLD nor OLD=NEW"),
        (["--queue", "a=b", "--queue", "a=c"], "cannot go to both"),
        (["--rate", "0"], "--rate"),
        (["--threads", "0"], "--threads"),
        (["--only-results", "--no-results"], "--only-results"),
        (["--only-results", "--follow"], "--only-results"),
        (["--even-if-alive"], "--take-held"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: list[str], words: str) -> None:
    assert words in run(*arguments, exit_code=2)


def test_workers_may_live_only_where_what_they_hold_is_asked_for() -> None:
    assert "--take-held" in run("--even-if-alive", exit_code=2)
