"""Messages that say the same: each of those that nobody had before has a key of its own."""

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path

import pytest

from celery_aws.migrate.journal import Entry, Journal
from celery_aws.migrate.messages import Fate
from celery_aws.migrate.sides import Claim
from celery_aws.migrate.twins import Twins
from tests.unit.migrate.worlds import QUEUE, carried, unreadable

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with closing(Journal(tmp_path / "journal.sqlite")) as found:
        found.begin(source="amqp://", target="aws+sqs://", now=NOW)
        yield found


def claims(*keys: str, seen_before: bool = False) -> list[Claim]:
    return [Claim(message=carried(key), handle=None, seen_before=seen_before) for key in keys]


def names(twins: Twins, found: list[Claim]) -> list[str]:
    with twins.told_apart(found) as named:
        return [named[id(each)].key for each in found if id(each) in named]


def test_what_others_have_in_hand_or_had_is_taken(journal: Journal) -> None:
    twins = Twins(journal)
    for key in ("a", "a+2", "ab", "a-1"):
        journal.record([Entry(key=key, queue=QUEUE, fate=Fate.SENT, at=NOW)])
    mine = claims("a", "b", "a")

    with twins.told_apart(mine) as named:
        assert [named[id(each)].key for each in mine] == ["a+1", "b", "a+3"]
        assert names(twins, claims("a", "b")) == ["a+4", "b+1"]
    assert names(twins, claims("a", "b")) == ["a+1", "b"]


def test_what_was_seen_before_or_is_unreadable_keeps_its_key(journal: Journal) -> None:
    found = [*claims("a", seen_before=True), Claim(message=unreadable("u"), handle=None)]

    assert names(Twins(journal), found) == []


def test_the_way_back_is_another_passage(journal: Journal) -> None:
    journal.record([Entry(key="a", queue=QUEUE, fate=Fate.SENT, at=NOW)])
    journal.begin(source="aws+sqs://", target="amqp://", now=NOW)

    assert names(Twins(journal), claims("a")) == ["a"]
