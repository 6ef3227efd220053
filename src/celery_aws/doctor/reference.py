"""The reference of findings, written from the kinds themselves.

``python -m celery_aws.doctor.reference > docs/reference/findings.md``; a test says when the page is
older than the code.
"""

import sys
from collections.abc import Iterable, Iterator

from celery_aws.doctor.catalogue import KINDS_BY_SUBJECT
from celery_aws.doctor.finding import Kind

_INTRODUCTION = """\
# Findings

Everything that `celery -A proj aws doctor` can find ([how to use it](../how-to/doctor.md)). Written
by `python -m celery_aws.doctor.reference` from the code. An id never changes its meaning, and is
never used again. With an error or a warning the command exits with 1, with notices alone with 0.
"""


def page() -> str:
    """Return the whole reference in Markdown."""
    return _INTRODUCTION + "".join(
        f"\n## {subject}\n\n{_table(kinds)}" for subject, kinds in KINDS_BY_SUBJECT.items()
    )


def _table(kinds: Iterable[Kind]) -> str:
    lines = ["| Id | | What it means | Remedy |", "|---|---|---|---|", *_rows(kinds)]
    return "\n".join(lines) + "\n"


def _rows(kinds: Iterable[Kind]) -> Iterator[str]:
    for kind in sorted(kinds, key=lambda kind: kind.severity.rank):
        cells = (f"`{kind.id}`", kind.severity.value, kind.meaning, kind.remedy)
        yield f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


if __name__ == "__main__":
    sys.stdout.write(page())
