"""Tables and sentences as plain text, and as Markdown."""

from collections.abc import Iterable, Iterator
from itertools import chain

from celery_aws.cost.report import Section, Sentences, Table


def text_lines(found: Iterable[Section]) -> Iterator[str]:
    """Yield the lines of a report for a terminal."""
    for number, section in enumerate(found):
        if number:
            yield ""
        if section.title:
            yield section.title
        if isinstance(section, Sentences):
            yield from (f"  {line}" if section.title else line for line in section.lines)
        else:
            yield from (f"  {line}" for line in _aligned(section))


def markdown_lines(found: Iterable[Section]) -> Iterator[str]:
    """Yield the lines of a report in Markdown."""
    for number, section in enumerate(found):
        if number:
            yield ""
        if section.title:
            yield f"### {section.title}"
            yield ""
        if isinstance(section, Sentences):
            yield from (f"* {line}" for line in section.lines)
            continue
        yield _row(section.header)
        yield _row("---:" if index in section.numbers else "---" for index in _columns(section))
        yield from map(_row, section.rows)


def _aligned(table: Table) -> Iterator[str]:
    widths = [max(map(len, cells)) for cells in zip(table.header, *table.rows, strict=True)]
    for row in chain([table.header], table.rows):
        cells = (
            cell.rjust(width) if index in table.numbers else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join(cells).rstrip()


def _columns(table: Table) -> range:
    return range(len(table.header))


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
