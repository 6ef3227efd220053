"""The tables that a run prints, and that docs/reference/conformance.md shows. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from conformance.known import Known
from conformance.outcomes import Outcome, Results, file_of

_COLUMNS: Final = (Outcome.PASSED, Outcome.FAILED, Outcome.TIMEOUT, Outcome.SKIPPED)

#: Between these lines of the page, everything is written by ``--write-docs``.
BEGIN: Final = "<!-- begin: python -m conformance --last --write-docs -->"
END: Final = "<!-- end -->"


def by_file(results: Results) -> dict[str, Results]:
    """Return the results of each file, in order."""
    files: dict[str, Results] = {}
    for test in sorted(results):
        files.setdefault(file_of(test), {})[test] = results[test]
    return files


def counts(results: Results) -> str:
    """Return ``passed / failed / timeout / skipped``; what was not run counts as failed."""
    counted = Counter(
        Outcome.FAILED if each.outcome is Outcome.NOT_RUN else each.outcome
        for each in results.values()
    )
    return " / ".join(str(counted[outcome]) for outcome in _COLUMNS)


def files_table(redis: Results, ours: Results, expected: Mapping[str, Known]) -> list[str]:
    """Return the lines of the table of files: one row for each that was run here.

    Args:
        redis: what the run here has to stand up to.
        ours: what was run here.
        expected: the known differences among them.
    """
    there, here = by_file(redis), by_file(ours)
    lines = [
        "| passed / failed / timeout / skipped | on Redis | on celery-aws | differ, as known |",
        "|---|---|---|---|",
    ]
    for file in sorted({*there, *here}):
        differ = sum(1 for test in expected if file_of(test) == file)
        row = (file, counts(there.get(file, {})), counts(here.get(file, {})), str(differ or ""))
        lines.append(_row(*row))
    if len({*there, *here}) > 1:
        lines.append(_row("together", counts(redis), counts(ours), str(len(expected) or "")))
    return lines


def known_table(expected: Mapping[str, Known], known: Sequence[Known]) -> list[str]:
    """Return the lines of the table of known differences: one row for each reason."""
    lines = ["| tests | why they differ | will pass with |", "|---|---|---|"]
    for entry in known:
        tests = sum(1 for each in expected.values() if each is entry)
        if tests or entry.sometimes:
            number = f"{tests}" if not entry.sometimes else f"{tests}, sometimes"
            lines.append(_row(number, entry.reason, entry.waits_for or "-"))
    return lines


def into_page(page: str, lines: Sequence[str]) -> str:
    """Return the page with these lines in place of the generated ones.

    Raises:
        ValueError: the page has no such place.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no lines {BEGIN} and {END}")
    text = "\n".join(lines)
    return f"{before}{begin}\n\n{text}\n\n{end}{after}"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
