"""``python -m conformance``: run the suites on a broker, and compare with the record of Redis.

Exit code 0: everything that passes on Redis passes here, or is known not to. 1: something
differs, see the end of the output. 2: usage.
"""

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from conformance import brokers, known, outcomes, report, suites, table
from conformance.comparison import compare, expected_of
from conformance.environment import REPOSITORY, SCRATCH
from conformance.outcomes import Record, Results
from conformance.sessions import FileResults, run_files
from conformance.suites import SUITES, SuiteFile

#: Checked in: what comparing goes by, and for the docs what Celery's own AWS support gives.
RECORDS: Final = {
    against: Path(__file__).with_name(f"{against}.json") for against in ("redis", "stock")
}

#: What the last runs here gave, file by file; not checked in.
LAST_RECORD: Final = SCRATCH / "aws.json"

PAGE: Final = REPOSITORY / "docs" / "reference" / "conformance.md"

_FLAGS: Final = {
    "--record": "write what is got into conformance/redis.json, or stock.json",
    "--last": "run nothing: take what the last runs of each file gave",
    "--write-docs": "write the tables into docs/reference/conformance.md",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks for and return the exit code."""
    parser = _parser()
    asked = parser.parse_args(arguments)
    try:
        chosen = choose(asked.names)
    except LookupError as error:
        parser.error(str(error.args[0]))
    if asked.write_docs and (asked.names or asked.expression):
        parser.error("--write-docs is for all files")
    if asked.record and asked.against not in RECORDS:
        parser.error(f"--record is for --against {' or '.join(RECORDS)}")
    if asked.against in RECORDS:
        return _elsewhere(chosen, asked)
    return _here(chosen, asked)


def choose(names: Sequence[str]) -> list[SuiteFile]:
    """Return the files that are asked for: whole suites, or files of them; all if none are named.

    Raises:
        LookupError: there is none of that name.
    """
    available = [file for suite in SUITES for file in suites.files(suite)]
    chosen = [file for file in available if not names or {file.suite, file.name} & set(names)]
    unknown = set(names) - {name for file in available for name in (file.suite, file.name)}
    if unknown:
        raise LookupError(f"no such suite or file: {', '.join(sorted(unknown))}")
    return chosen


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m conformance", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="celery|kombu|FILE", help="default: all")
    parser.add_argument("--against", choices=sorted(brokers.BROKERS), default="aws")
    parser.add_argument("-k", dest="expression", default="", help="pytest's -k")
    parser.add_argument("--together", type=int, default=2, help="sessions at a time (2)")
    for flag, meaning in _FLAGS.items():
        parser.add_argument(flag, action="store_true", help=meaning)
    return parser


def _elsewhere(chosen: Sequence[SuiteFile], asked: argparse.Namespace) -> int:
    versions = {**suites.versions(), **brokers.versions(asked.against)}
    everything: Results = {}
    for ended in _run(chosen, asked):
        everything |= ended.results
        if asked.record:
            _keep(RECORDS[asked.against], ended, versions, partly=bool(asked.expression))
    _say(report.of_run(asked.against, everything))
    return 0


def _here(chosen: Sequence[SuiteFile], asked: argparse.Namespace) -> int:
    redis, stock = outcomes.load(RECORDS["redis"]), outcomes.load(RECORDS["stock"])
    _demand_same_versions(redis)
    ours = _last_results(chosen) if asked.last else _run_here(chosen, asked)
    partly = bool(asked.expression)
    there = expected_of(redis.results, [file.key for file in chosen], ours, partly=partly)
    listed = known.load()
    found = compare(there, ours, listed)
    _say(report.of_comparison(there, stock.results, ours, found))
    nothing = known.stands_for_nothing(listed, redis.results)
    if nothing:
        print(f"\nconformance/known.toml speaks of no test: {', '.join(nothing)}")
    if asked.write_docs:
        _demand_all(chosen, ours)
        recorded = Record(versions=redis.versions, results=there)
        lines = report.of_page(recorded, stock, ours, found, listed)
        PAGE.write_text(table.into_page(PAGE.read_text(), lines))
    return 0 if found.as_expected and not nothing else 1


def _last_results(chosen: Sequence[SuiteFile]) -> Results:
    keys = {file.key for file in chosen}
    last = outcomes.load(LAST_RECORD).results
    return {test: each for test, each in last.items() if outcomes.file_of(test) in keys}


def _run_here(chosen: Sequence[SuiteFile], asked: argparse.Namespace) -> Results:
    everything: Results = {}
    for ended in _run(chosen, asked):
        everything |= ended.results
        _keep(LAST_RECORD, ended, suites.versions(), partly=bool(asked.expression))
    return everything


def _keep(path: Path, ended: FileResults, versions: Mapping[str, str], *, partly: bool) -> None:
    # Read again each time: another run may have written another file.
    kept = outcomes.load(path)
    if not partly:
        kept = kept.with_file(ended.file.key, {})
    outcomes.save(path, Record(versions=versions, results=kept.results | ended.results))


def _run(chosen: Sequence[SuiteFile], asked: argparse.Namespace) -> Iterator[FileResults]:
    for ended in run_files(
        chosen,
        against=asked.against,
        expression=asked.expression,
        together=asked.together,
        redis=outcomes.load(RECORDS["redis"]).results,
    ):
        told = table.counts(ended.results)
        print(f"{ended.file.key} on {asked.against}: {told} in {ended.seconds:.0f} s", flush=True)
        yield ended


def _demand_same_versions(redis: Record) -> None:
    for name in SUITES:
        recorded, installed = redis.versions.get(name), suites.versions()[name]
        if recorded != installed:
            sys.exit(
                f"redis.json was made with {name} {recorded}, and {installed} is installed: "
                "make it anew with --against redis --record"
            )


def _demand_all(chosen: Sequence[SuiteFile], ours: Results) -> None:
    there = table.by_file(ours)
    missing = [file.name for file in chosen if file.key not in there]
    if missing:
        sys.exit(f"the docs are for whole runs; run these first: {' '.join(missing)}")


def _say(lines: Iterable[str]) -> None:
    print()
    for line in lines:
        print(line)


if __name__ == "__main__":
    sys.exit(main())
