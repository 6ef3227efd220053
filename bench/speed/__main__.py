"""Runs the benchmark, prints its tables, and writes them into the documentation.

All of it: ``make bench``. A part of it, written nowhere:
``python -m bench.speed --rounds 1 --pools prefork2 --latency 8``.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from bench.cloud import Cloud, capacity
from bench.speed import page, plan
from bench.speed.figures import Runs
from bench.speed.measured import Measured
from bench.speed.plan import Cell
from bench.speed.run import run
from bench.speed.sides import forget_environment, missing_programs

_ROUNDS, _SECONDS = 5, 4.0

#: Times as long as emptying a queue is expected to take, after which a run is cut off.
_PATIENCE = 2.5


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what is asked for."""
    asked = _parser().parse_args(arguments)
    if asked.load:
        runs, lines, minutes = page.load(asked.load)
    else:
        runs, lines, minutes = _measured(asked)
    report = list(page.report(runs, lines, minutes))
    print("\n".join(report))
    if asked.write:
        from bench.speed.plot import draw  # noqa: PLC0415

        draw(runs, page.IMAGE)
        page.write(report)
        print(f"\nWritten to {page.PAGE.name} and {page.IMAGE.name}.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m bench.speed")
    parser.add_argument("--rounds", type=int, default=_ROUNDS)
    parser.add_argument("--sides", type=_among(plan.SIDES), default=plan.SIDES)
    parser.add_argument("--pools", type=_among(plan.POOLS), default=tuple(plan.POOLS))
    parser.add_argument("--latency", type=_numbers, default=plan.LATENCIES, help="ms, such as 0,8")
    parser.add_argument(
        "--seconds", type=float, default=_SECONDS, help="that emptying a queue shall take"
    )
    parser.add_argument("--write", action="store_true", help="into the documentation")
    parser.add_argument("--save", type=Path, help="keep what was measured in this file")
    parser.add_argument("--load", type=Path, help="measure nothing: take it from this file")
    return parser


def _measured(asked: argparse.Namespace) -> tuple[Runs, list[str], float]:
    missing = missing_programs() if "redis" in asked.sides else []
    if missing:
        sys.exit(f"not installed: {', '.join(missing)}; make bench installs it where it can")
    forget_environment()
    began = time.monotonic()
    with Cloud() as cloud:
        lines = list(capacity.written(capacity.measured(cloud)))
    cells = plan.cells(
        sides=asked.sides, pools=asked.pools, latencies_ms=asked.latency, seconds=asked.seconds
    )
    found: list[Measured] = []
    minutes = 0.0
    for each in _runs(cells, asked.rounds, asked.seconds * _PATIENCE):
        found.append(each)
        minutes = (time.monotonic() - began) / 60
        if asked.save:
            # Whatever stops the next run, half an hour of them shall not be lost.
            page.save(asked.save, Runs(found), lines, minutes)
    return Runs(found), lines, minutes


def _runs(cells: Sequence[Cell], rounds: int, most_seconds: float) -> Iterator[Measured]:
    total = rounds * len(cells)
    for done, (number, cell) in enumerate(plan.rounds(cells, rounds), 1):
        began = time.monotonic()
        found = run(cell, number, most_seconds=most_seconds)
        print(
            f"{done}/{total} {cell.name}: {found.tasks_per_second:.1f} tasks/s, "
            f"{found.worker_cpu:.2f} CPU s/1,000 ({time.monotonic() - began:.0f} s)",
            file=sys.stderr,
            flush=True,
        )
        yield found


def _among(known: Iterable[str]) -> Callable[[str], tuple[str, ...]]:
    def names(text: str) -> tuple[str, ...]:
        found = tuple(text.split(","))
        unknown = [name for name in found if name not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join(known)}")
        return found

    return names


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(float(each) for each in text.split(","))


if __name__ == "__main__":
    main()
