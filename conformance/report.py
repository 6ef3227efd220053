"""What a run says in the end."""

from collections.abc import Iterator, Mapping, Sequence

from conformance import table
from conformance.comparison import Comparison
from conformance.known import Known
from conformance.outcomes import Outcome, Record, Result, Results


def of_comparison(
    redis: Results, stock: Results, ours: Results, found: Comparison
) -> Iterator[str]:
    """Yield the lines of a comparison: its table, and what somebody has to look at."""
    yield from table.files_table(redis, stock, ours, found.expected)
    again = [f"{test}: {each.reason}" for test, each in ours.items() if _tried_again(each)]
    yield from _listed("passed here only when tried again, as Celery's mark allows", again)
    yield from _listed("pass here and not on Redis", found.gained)
    yield from _listed(
        "REGRESSIONS: pass on Redis, fail here, and are not in conformance/known.toml",
        _told(found.regressions),
    )
    yield from _listed("PASS NOW: take them out of conformance/known.toml", found.mended)
    yield from _listed(
        "NOT IN THE RECORD of Redis: make it anew (--against redis --record)", found.unrecorded
    )


def of_run(broker: str, results: Results) -> Iterator[str]:
    """Yield the lines of a run that is compared with nothing.

    Args:
        broker: ``redis`` or ``stock``.
        results: of the run.
    """
    yield f"| passed / failed / timeout / skipped | on {broker} |"
    yield "|---|---|"
    for file, tests in table.by_file(results).items():
        yield f"| {file} | {table.counts(tests)} |"
    failed = {
        test: each
        for test, each in results.items()
        if not each.passed and each.outcome is not Outcome.SKIPPED
    }
    yield from _listed(f"do not pass on {broker}", _told(failed))


def of_page(
    redis: Record, stock: Record, ours: Results, found: Comparison, known: Sequence[Known]
) -> list[str]:
    """Return the generated part of docs/reference/conformance.md."""
    lines = [
        f"With {_versions({**stock.versions, **redis.versions})}.",
        "",
        *table.files_table(redis.results, stock.results, ours, found.expected),
        "",
        *table.differences_table(redis.results, ours, found.expected),
    ]
    sometimes = table.sometimes_table(known)
    return [*lines, "", *sometimes] if sometimes else lines


def _versions(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in sorted(versions.items()))


def _tried_again(result: Result) -> bool:
    return result.passed and result.runs > 1


def _told(results: Results) -> list[str]:
    return [f"{test}: {each.outcome.value}: {each.reason}" for test, each in results.items()]


def _listed(title: str, tests: Sequence[str]) -> Iterator[str]:
    if tests:
        yield f"\n{len(tests)} {title}:"
        yield from (f"  {test}" for test in tests)
