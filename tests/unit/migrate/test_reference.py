"""docs/reference/migration.md names what the commands name, and nothing else."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from celery_aws.migrate import (
    comparison,
    plan_findings,
    queue_findings,
    result_verification,
    status,
)

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "migration.md"
NAME = re.compile(r"[a-z]+(-[a-z0-9]+)+|plan|provisioned|producers|queues|results|verified")


def named_in(module: object) -> set[str]:
    """The texts of a module that are names, but for the kinds of keys."""
    tree = ast.parse(Path(str(module.__file__)).read_text())  # type: ignore[attr-defined]
    texts = {each.value for each in ast.walk(tree) if isinstance(each, ast.Constant)}
    return {each for each in texts if isinstance(each, str) and NAME.fullmatch(each)}


def tables() -> Iterator[set[str]]:
    """The names in the first column of each table of the page."""
    for table in re.findall(r"(?:^\|.*\n)+", PAGE.read_text(), re.MULTILINE):
        rows = table.splitlines()[2:]
        yield {name for row in rows for name in re.findall(r"`([^`]+)`", row.split("|")[1])}


@pytest.mark.parametrize(
    ("number", "modules"),
    [
        (0, (plan_findings, queue_findings)),
        (1, (status,)),
        (2, (comparison, result_verification)),
    ],
)
def test_every_name_is_told(number: int, modules: tuple[object, ...]) -> None:
    told = {each for each in list(tables())[number] if not each.startswith("keys-")}
    assert told == {name for module in modules for name in named_in(module)}
