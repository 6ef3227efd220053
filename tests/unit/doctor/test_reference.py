import re
from pathlib import Path

import pytest

from celery_aws.cli.group import COMMANDS
from celery_aws.doctor.catalogue import CHECKS, KINDS_BY_SUBJECT
from celery_aws.doctor.finding import Kind
from celery_aws.doctor.reference import page

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "findings.md"

KINDS = [kind for kinds in KINDS_BY_SUBJECT.values() for kind in kinds]

#: Commands that remedies name, and that come with other features.
COMING = {"dlq", "cleanup"}


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == page(), (
        "python -m celery_aws.doctor.reference > docs/reference/findings.md"
    )


def test_ids_are_used_once_and_can_be_typed() -> None:
    ids = [kind.id for kind in KINDS]
    assert len(ids) == len(set(ids))
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", each) for each in ids)


def test_checks_are_made_once() -> None:
    assert len(CHECKS) == len(set(CHECKS))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.id)
def test_words(kind: Kind) -> None:
    assert kind.meaning.endswith(".")
    assert not kind.remedy.endswith(".")
    named = re.findall(r"celery -A proj aws ([a-z-]+)", kind.remedy)
    assert set(named) <= COMMANDS.keys() | COMING
