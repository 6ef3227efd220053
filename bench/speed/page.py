"""Writes the figures into the documentation, between its marks."""

import json
import os
import platform
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

from bench.speed import tables
from bench.speed.figures import Runs
from bench.speed.measured import Measured, from_json

_ROOT = Path(__file__).parent.parent.parent
PAGE = _ROOT / "docs/explanation/speed.md"
IMAGE = _ROOT / "docs/images/speed.svg"

_BEGIN, _END = "<!-- figures: written by make bench -->", "<!-- end of the figures -->"
_PICTURE = f"![Tasks a second and CPU time, by pool and side](../images/{IMAGE.name})"
_PACKAGES = ("celery", "kombu", "boto3", "pycurl", "redis", "gevent")


def report(runs: Runs, capacity: Sequence[str], minutes: float) -> Iterator[str]:
    """Return all tables, with words between them, as lines of Markdown."""
    yield (
        f"{_machine()}. Medians of {runs.rounds()} interleaved rounds [least-most]; "
        f"the whole took {minutes:.0f} minutes."
    )
    parts = (
        ("What must be shown", tables.bounds(runs)),
        ("Emptying a queue of noop tasks with stored results", tables.throughput(runs)),
        ("Publishing, and waiting for results one by one", tables.publishing(runs)),
        ("Requests of a task that is sent one by one", tables.requests(runs)),
        ("What the cloud takes", iter(capacity)),
    )
    for title, lines in parts:
        yield from ("", f"### {title}", "")
        yield from lines
    yield from ("", f"Redis costs {tables.redis_price()}.")


def write(lines: Sequence[str]) -> None:
    """Replace the figures on the page."""
    PAGE.write_text(with_figures(PAGE.read_text(), [_PICTURE, "", *lines]))


def with_figures(page: str, lines: Sequence[str]) -> str:
    """Return a page with other figures between its marks."""
    before, begin, rest = page.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise ValueError(f"the page has no {_BEGIN} and {_END}")
    body = "\n".join(lines)
    return f"{before}{_BEGIN}\n\n{body}\n\n{_END}{after}"


def save(path: Path, runs: Runs, capacity: Sequence[str], minutes: float) -> None:
    """Keep what was measured, so that it can be written again."""
    found = {
        "minutes": minutes,
        "capacity": list(capacity),
        "runs": [each.as_json() for each in runs.all],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found))


def load(path: Path) -> tuple[Runs, list[str], float]:
    """Return what :func:`save` has kept."""
    found = json.loads(path.read_text())
    runs: list[Measured] = [from_json(each) for each in found["runs"]]
    return Runs(runs), found["capacity"], found["minutes"]


def _machine() -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    return (
        f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, {packages}"
    )
