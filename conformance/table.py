"""The tables that a run prints, and that docs/reference/conformance.md shows. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from conformance.known import Known
from conformance.outcomes import Outcome, Result, Results, file_of

_COLUMNS: Final = (Outcome.PASSED, Outcome.FAILED, Outcome.TIMEOUT, Outcome.SKIPPED)
_COUNTED: Final = " / ".join(outcome.value for outcome in _COLUMNS)

_NOT_RUN: Final = Result(outcome=Outcome.NOT_RUN)

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
    """Return ``passed / failed / timeout / skipped``, and what was not run beside it."""
    counted = Counter(each.outcome for each in results.values())
    missing = counted[Outcome.NOT_RUN]
    if results and missing == len(results):
        return "not run"
    text = " / ".join(str(counted[outcome]) for outcome in _COLUMNS)
    return f"{text}, {missing} not run" if missing else text


def files_table(
    redis: Results, stock: Results, ours: Results, expected: Mapping[str, Known]
) -> list[str]:
    """Return the lines of the table of files: one row for each that was run here.

    Args:
        redis: what the run here has to stand up to.
        stock: what Celery's own AWS support gives; a test that it lacks was not run.
        ours: what was run here.
        expected: the known differences between Redis and here.
    """
    recorded = {test: stock.get(test, _NOT_RUN) for test in redis}
    columns = [by_file(redis), by_file(recorded), by_file(ours)]
    files = sorted({*columns[0], *columns[2]})
    lines = [
        _row(_COUNTED, "on Redis", "stock on AWS", "on celery-aws", "differ, as known"),
        "|---|---|---|---|---|",
    ]
    for file in files:
        differ = sum(1 for test in expected if file_of(test) == file)
        told = [counts(column.get(file, {})) for column in columns]
        lines.append(_row(file, *told, str(differ or "")))
    if len(files) > 1:
        told = [counts(column) for column in (redis, recorded, ours)]
        lines.append(_row("together", *told, str(len(expected) or "")))
    return lines


def differences_table(redis: Results, ours: Results, expected: Mapping[str, Known]) -> list[str]:
    """Return the lines of the table of what does not pass here: one row for each test.

    Args:
        redis: what the run here has to stand up to.
        ours: what was run here.
        expected: the known differences among them.
    """
    lines = ["| does not pass on celery-aws | on Redis | here | why |", "|---|---|---|---|"]
    for test in sorted({*redis, *ours}):
        there, here = redis.get(test, _NOT_RUN), ours.get(test, _NOT_RUN)
        if not here.passed:
            why = _reason(expected[test]) if test in expected else here.reason
            row = (f"`{test}`", there.outcome.value, here.outcome.value, why.replace("|", "\\|"))
            lines.append(_row(*row))
    return lines


def sometimes_table(known: Sequence[Known]) -> list[str]:
    """Return the lines of the table of what does not pass each time; none if there is nothing."""
    rows = [
        _row(f"`{test}`", each.reason) for each in known if each.sometimes for test in each.tests
    ]
    return ["| may fail on celery-aws | why |", "|---|---|", *rows] if rows else []


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


def _reason(known: Known) -> str:
    return f"{known.reason}; waits for {known.waits_for}" if known.waits_for else known.reason


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
