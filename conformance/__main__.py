"""``python -m conformance``: run the suites on a broker, and compare with the record of Redis.

Exit code 0: everything that passes on Redis passes here, or is known not to. 1: something
differs, see the end of the output. 2: usage.
"""

import argparse
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from conformance import brokers, known, outcomes, report, suites, table
from conformance.comparison import compare, expected_of
from conformance.environment import REPOSITORY, SCRATCH
from conformance.outcomes import Record, Results
from conformance.running import FileRun
from conformance.suites import SUITES, SuiteFile

#: The record that comparing goes by; checked in.
REDIS_RECORD: Final = Path(__file__).with_name("redis.json")

#: What the last runs here gave, file by file; not checked in.
LAST_RECORD: Final = SCRATCH / "aws.json"

PAGE: Final = REPOSITORY / "docs" / "reference" / "conformance.md"

_FLAGS: Final = {
    "--record": "write what Redis gives into conformance/redis.json",
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
    if asked.record and (asked.against != "redis" or asked.expression):
        parser.error("--record is for whole files --against redis")
    if asked.against == "redis":
        return _on_redis(chosen, asked)
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
    for flag, meaning in _FLAGS.items():
        parser.add_argument(flag, action="store_true", help=meaning)
    return parser


def _on_redis(chosen: Sequence[SuiteFile], asked: argparse.Namespace) -> int:
    record = outcomes.load(REDIS_RECORD)
    versions = {**suites.versions(), "redis": brokers.redis_version()}
    everything: Results = {}
    for file in chosen:
        results = _run(file, asked)
        everything |= results
        if asked.record:
            record = Record(versions=versions, results=record.with_file(file.key, results).results)
            outcomes.save(REDIS_RECORD, record)
    _say(report.of_redis(everything))
    return 0


def _here(chosen: Sequence[SuiteFile], asked: argparse.Namespace) -> int:
    redis = outcomes.load(REDIS_RECORD)
    _demand_same_versions(redis)
    ours = _last_results(chosen) if asked.last else _run_here(chosen, asked)
    partly = bool(asked.expression)
    there = expected_of(redis.results, [file.key for file in chosen], ours, partly=partly)
    listed = known.load()
    found = compare(there, ours, listed)
    _say(report.of_comparison(there, ours, found))
    nothing = known.stands_for_nothing(listed, redis.results)
    if nothing:
        print(f"\nconformance/known.toml speaks of no test: {', '.join(nothing)}")
    if asked.write_docs:
        _demand_all(chosen, ours)
        lines = report.of_page(Record(versions=redis.versions, results=there), ours, found, listed)
        PAGE.write_text(table.into_page(PAGE.read_text(), lines))
    return 0 if found.as_expected and not nothing else 1


def _last_results(chosen: Sequence[SuiteFile]) -> Results:
    keys = {file.key for file in chosen}
    last = outcomes.load(LAST_RECORD).results
    return {test: each for test, each in last.items() if outcomes.file_of(test) in keys}


def _run_here(chosen: Sequence[SuiteFile], asked: argparse.Namespace) -> Results:
    everything: Results = {}
    for file in chosen:
        results = _run(file, asked)
        everything |= results
        if not asked.expression:
            last = outcomes.load(LAST_RECORD).with_file(file.key, results).results
            outcomes.save(LAST_RECORD, Record(versions=suites.versions(), results=last))
    return everything


def _run(file: SuiteFile, asked: argparse.Namespace) -> Results:
    run = FileRun(file=file, against=asked.against, expression=asked.expression)
    began = time.monotonic()
    results = run.run()
    seconds = time.monotonic() - began
    print(f"{file.key} on {asked.against}: {table.counts(results)} in {seconds:.0f} s", flush=True)
    return results


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
