"""What the demo prints: aligned, in colour only on a terminal."""

import os
import sys
from collections.abc import Iterable

from examples.webteam.request_log import ROLES, Counts

#: Together with mark and seconds, 80 columns.
LABEL_WIDTH = 20
RESULT_WIDTH = 50

_GREEN, _RED, _DIM, _BOLD = "32", "31", "2", "1"


def _styled(text: str, style: str) -> str:
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return text
    return f"\033[{style}m{text}\033[0m"


def title(text: str) -> None:
    """Print a heading."""
    print(f"\n{_styled(text, _BOLD)}")


def fact(label: str, text: str, seconds: float | None = None) -> None:
    """Print one line of the surroundings."""
    _line(" ", label, text, seconds)


def good(label: str, text: str, seconds: float) -> None:
    """Print what a task gave, as expected."""
    _line(_styled("+", _GREEN), label, text, seconds)


def detail(lines: Iterable[str]) -> None:
    """Print lines that belong to the one above."""
    for line in lines:
        print(_styled(f"    {line}", _DIM))


def failure(text: str) -> None:
    """Print what went wrong."""
    print(f"{_styled('FAILED', _RED)} {text}", file=sys.stderr)


def requests(counts: Counts) -> None:
    """Print the AWS requests as a table: operations down, processes across."""
    operations = sorted({operation for role in counts.values() for operation in role})
    _row("", [*ROLES, "all"])
    for operation in operations:
        _row(operation, _with_sum([counts[role][operation] for role in ROLES]))
    _row("all", _with_sum([counts[role].total() for role in ROLES]))


def _line(mark: str, label: str, text: str, seconds: float | None) -> None:
    took = "" if seconds is None else _styled(f"{seconds:6.1f} s", _DIM)
    print(f"{mark} {label:<{LABEL_WIDTH}}{text:<{RESULT_WIDTH}}{took}".rstrip(), flush=True)


def _row(label: str, cells: Iterable[object]) -> None:
    print(f"  {label:<28}" + "".join(f"{cell:>8}" for cell in cells))


def _with_sum(numbers: list[int]) -> list[int]:
    return [*numbers, sum(numbers)]
