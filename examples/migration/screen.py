"""What the rehearsal prints: each step, each command with its answer, and a table at the end."""

import time
from collections.abc import Iterable, Mapping

from examples.migration.verdict import Line

_started = time.monotonic()


def step(text: str) -> None:
    """Print what happens next, and how long after the start."""
    print(f"\n## {time.monotonic() - _started:5.1f} s  {text}", flush=True)


def said(lines: Iterable[str]) -> None:
    """Print what a command has answered."""
    for line in lines:
        print(f"   {line}".rstrip(), flush=True)


def command(words: Iterable[str]) -> None:
    """Print a command as one types it."""
    print(f"$ {' '.join(words)}", flush=True)


def executions(lines: Mapping[str, Line]) -> None:
    """Print what came of each kind of order."""
    _row("kind", "orders", "ran once", "again*", "lost", "twice", "unwanted")
    for kind, line in lines.items():
        counts = (line.orders, line.once, line.again)
        bad = (len(line.lost), len(line.twice), len(line.unwanted))
        _row(kind, *counts, *bad)
    sums = [
        *(sum(getattr(each, name) for each in lines.values()) for name in _NUMBERS),
        *(sum(len(getattr(each, name)) for each in lines.values()) for name in _LISTS),
    ]
    _row("all", *sums)
    print("  * was running on the killed worker, or was sent by what was")


def claims(found: Mapping[str, bool]) -> None:
    """Print what is true and what is not."""
    for text, is_true in found.items():
        print(f"{'+' if is_true else 'FAILED'} {text}")


_NUMBERS = ("orders", "once", "again")
_LISTS = ("lost", "twice", "unwanted")


def _row(label: str, *cells: object) -> None:
    print(f"  {label:<20}" + "".join(f"{cell:>10}" for cell in cells), flush=True)
