"""The journal: what it says after any end, and who may write it."""

import os
import signal
import stat
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from celery_aws.errors import ConfigurationError
from celery_aws.migrate.journal import Entry, Journal, JournalInUseError
from celery_aws.migrate.messages import Fate
from celery_aws.names import AmqpQueue

NOW = datetime(2026, 11, 23, 14, 55, 1, 250_000, tzinfo=timezone.utc)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


_open: list[Journal] = []


@pytest.fixture(autouse=True)
def _closed_journals() -> Iterator[None]:
    yield
    while _open:
        _open.pop().close()


def found(path: Path) -> Journal:
    _open.append(Journal(path))
    return _open[-1]


def opened(path: Path, *, source: str = "redis://one/0", name: str = "a") -> Journal:
    journal = found(path)
    journal.begin(source=source, target="aws+sqs://", name=name, now=NOW)
    return journal


def entry(key: str, fate: Fate = Fate.SENT, queue: str = "celery") -> Entry:
    return Entry(key=key, queue=AmqpQueue(queue), fate=fate, at=NOW, task_id=f"id-{key}")


def test_entries_come_back_as_they_were(path: Path) -> None:
    entries = [
        Entry(
            key="a/\u20ac'\"",
            queue=AmqpQueue("celery"),
            fate=Fate.SENT,
            at=NOW,
            task_id="id",
            message_id="copy",
            parked=True,
        ),
        Entry(key="b", queue=AmqpQueue("mail"), fate=Fate.REVOKED, at=NOW),
    ]
    journal = opened(path)
    journal.record(entries)
    journal.record([])
    journal.close()

    again = found(path)

    assert list(again.entries()) == entries
    assert list(again.entries(Fate.REVOKED)) == entries[1:]
    assert again.fates(["b", "c"]) == {"b": Fate.REVOKED}
    assert again.counts() == {"celery": {Fate.SENT: 1}, "mail": {Fate.REVOKED: 1}}


@pytest.mark.parametrize("name", ["half \ud800", "nothing \0 behind", "\uffff\U0001f600", ""])
def test_names_may_be_anything(path: Path, name: str) -> None:
    journal = opened(path)
    odd = Entry(key=f"{name}!", queue=AmqpQueue(name), fate=Fate.SENT, at=NOW, task_id=name)
    journal.record([odd, entry("other")])

    assert journal.fates([f"{name}!", "missing"]) == {f"{name}!": Fate.SENT}
    assert len(list(journal.entries())) == 2
    assert sum(sum(each.values()) for each in journal.counts().values()) == 2


def test_what_is_noted_again_is_replaced(path: Path) -> None:
    journal = opened(path)
    journal.record([entry("a", Fate.QUARANTINED)])
    journal.record([entry("a"), entry("b")])

    assert journal.fates(["a"]) == {"a": Fate.SENT}
    assert journal.counts() == {"celery": {Fate.SENT: 2}}


def test_many_keys_are_one_question(path: Path) -> None:
    journal = opened(path)
    journal.record([entry(str(number)) for number in range(5_000)])

    assert len(journal.fates([str(number) for number in range(10_000)])) == 5_000


def test_a_passage_goes_on_until_somebody_moves_elsewhere(path: Path) -> None:
    there = opened(path, name="there")
    there.record([entry("a")])
    there.close()
    same = opened(path, name="ignored")
    assert same.fates(["a"]) == {"a": Fate.SENT}

    back = same.begin(source="aws+sqs://", target="redis://one/0", name="back", now=NOW)
    assert (back.number, same.fates(["a"]), same.counts()) == (2, {}, {})
    again = same.begin(source="redis://one/0", target="aws+sqs://", name="again", now=NOW)

    assert (again.number, again.name) == (3, "again")
    assert same.passage() == again
    assert same.fates(["a"]) == {}


def test_a_passage_is_named_by_its_direction_whoever_keeps_the_journal(path: Path) -> None:
    journal = found(path)
    ways = [("a", "t"), ("a", "t"), ("a:6379", "t"), ("t", "a"), ("t", "b"), ("a", "t")]

    begun = [journal.begin(source=source, target=target, now=NOW) for source, target in ways]

    assert [each.number for each in begun] == [1, 1, 2, 3, 4, 5]
    assert [each.name for each in begun] == ["1", "1", "1", "3", "3", "5"]


def test_a_message_is_known_whatever_its_address_is_called_next_time(path: Path) -> None:
    journal = found(path)
    journal.begin(source="redis://one//", target="t", now=NOW)
    journal.record([entry("a")])

    journal.begin(source="redis://one:6379/0", target="t", now=NOW)

    assert journal.fates(["a"]) == {"a": Fate.SENT}
    assert journal.counts() == {}


def test_times_are_kept_in_utc(path: Path) -> None:
    journal = opened(path)
    elsewhere = NOW.astimezone(timezone(timedelta(hours=9)))
    journal.record([Entry(key="a", queue=AmqpQueue("q"), fate=Fate.SENT, at=elsewhere)])

    (noted,) = journal.entries()

    assert (noted.at, noted.at.utcoffset()) == (NOW, timedelta(0))


def test_threads_write_at_once(path: Path) -> None:
    journal = opened(path)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: journal.record([entry(f"{n}-{k}") for k in range(10)]), range(100)))

    assert sum(journal.counts()[AmqpQueue("celery")].values()) == 1_000
    journal.close()


def test_nobody_else_reads_it(path: Path) -> None:
    opened(path)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_one_run_at_a_time(path: Path) -> None:
    journal, other = opened(path), opened(path)

    with journal.held(), pytest.raises(JournalInUseError, match="SIGTERM"), other.held():
        pytest.fail("two run at once")
    with other.held():
        pass


WRITER = textwrap.dedent("""
    import sys
    from datetime import datetime, timezone
    from pathlib import Path
    from celery_aws.migrate.journal import Entry, Journal
    from celery_aws.migrate.messages import Fate
    journal = Journal(Path(sys.argv[1]))
    now = datetime.now(timezone.utc)
    journal.begin(source="s", target="t", name="n", now=now)
    with journal.held():
        for number in range(1_000_000):
            journal.record([Entry(key=f"{number}-{k}", queue="q", fate=Fate.SENT, at=now)
                            for k in range(10)])
            print(number, flush=True)
""")


def test_what_was_noted_survives_a_kill_and_the_lock_does_not(path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        told = [int(process.stdout.readline()) for _ in range(50)][-1]
        os.kill(process.pid, signal.SIGKILL)

    journal = found(path)

    assert set(journal.fates([f"{told}-{k}" for k in range(10)])) == {
        f"{told}-{k}" for k in range(10)
    }
    assert journal.counts()[AmqpQueue("q")][Fate.SENT] % 10 == 0
    with journal.held():
        pass


@pytest.mark.parametrize("kind", ["folder", "other file", "no such folder"])
def test_what_is_no_journal_is_told(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "journal.sqlite"
    if kind == "folder":
        path.mkdir()
    elif kind == "other file":
        path.write_text("something else, which is long enough to be no header of SQLite's" * 9)
    else:
        path = tmp_path / "missing" / "journal.sqlite"

    with pytest.raises(ConfigurationError, match="cannot be opened"):
        Journal(path)
