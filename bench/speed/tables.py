"""The figures as tables in Markdown: pure."""

from collections import Counter
from collections.abc import Iterator, Sequence
from statistics import median

from bench import prices
from bench.speed.bounds import checked
from bench.speed.figures import (
    Figure,
    Runs,
    Spread,
    group_per_second,
    p50,
    p95,
    single_per_second,
    tasks_per_second,
)
from bench.speed.measured import Measured, Published
from bench.speed.plan import POOLS, SIDES

NAMES = {
    "ours": "celery-aws",
    "stock": "stock",
    "tuned": "stock, tuned",
    "redis": "Redis",
}

_MAIN_POOL = "prefork2"
_SMALLEST_SHARE = 0.005


def throughput(runs: Runs) -> Iterator[str]:
    """Return the lines of the table of how fast a queue is emptied, and what that costs."""
    yield (
        "| | tasks/s | ours: times that | CPU s for 1,000, parent | children | PSS MB "
        "| cloud, % of a core |"
    )
    yield "|---|---|---|---|---|---|---|"
    for latency_ms in runs.latencies():
        for pool in POOLS:
            for side in SIDES:
                if runs.of(side, pool, latency_ms):
                    yield _throughput_line(runs, side, pool, latency_ms)


def publishing(runs: Runs) -> Iterator[str]:
    """Return the lines of the table of how fast tasks are published and answered."""
    yield ("| | one by one/s | CPU ms | group(1000)/s | CPU ms | submit to result, ms: p50 | p95 |")
    yield "|---|---|---|---|---|---|---|"
    for latency_ms in runs.latencies():
        for side in SIDES:
            found = runs.of(side, _MAIN_POOL, latency_ms)
            if found and found[0].round_trips_ms:
                yield _publishing_line(runs, side, latency_ms)


def requests(runs: Runs) -> Iterator[str]:
    """Return the lines of the table of what a task asks for, and what that costs."""
    yield "| | requests a task | dollars a million | by operation |"
    yield "|---|---|---|---|"
    *_, highest_ms = runs.latencies()
    for latency_ms in runs.latencies():
        for pool in POOLS:
            if pool == _MAIN_POOL or latency_ms == highest_ms:
                yield from _request_lines(runs, pool, latency_ms)


def bounds(runs: Runs) -> Iterator[str]:
    """Return the lines of the table of what must be shown."""
    yield "| what must be shown | bound | figure | |"
    yield "|---|---|---|---|"
    for bound, found, met in checked(runs):
        yield f"| {bound.what} | {bound} | {_words(found)} | {'met' if met else '**not met**'} |"


def _throughput_line(runs: Runs, side: str, pool: str, latency_ms: float) -> str:
    def cell(figure: Figure) -> str:
        return _words(runs.spread(side, pool, latency_ms, figure))

    ratio = None
    if side != "ours":
        ratio = runs.ratio("ours", side, pool, latency_ms, tasks_per_second)
    cells = (
        f"{NAMES[side]}, {pool}, {latency_ms:g} ms",
        cell(tasks_per_second),
        "" if ratio is None else _words(ratio),
        cell(lambda run: run.parent_cpu),
        cell(lambda run: run.children_cpu) if POOLS[pool].kind == "prefork" else "",
        cell(lambda run: run.memory_mb),
        cell(lambda run: None if run.cloud_share is None else 100 * run.cloud_share),
    )
    return _line(cells)


def _publishing_line(runs: Runs, side: str, latency_ms: float) -> str:
    figures: Sequence[Figure] = (
        single_per_second,
        lambda run: None if run.single is None else run.single.cpu_milliseconds,
        group_per_second,
        lambda run: None if run.group is None else run.group.cpu_milliseconds,
        p50,
        p95,
    )
    cells = (_words(runs.spread(side, _MAIN_POOL, latency_ms, each)) for each in figures)
    return _line((f"{NAMES[side]}, {latency_ms:g} ms", *cells))


def _request_lines(runs: Runs, pool: str, latency_ms: float) -> Iterator[str]:
    for side in SIDES:
        found = runs.of(side, pool, latency_ms)
        # Whoever publishes does not know of pools, and is the same on the tuned side.
        published = runs.of("stock" if side == "tuned" else side, _MAIN_POOL, latency_ms)
        singles = [each.single for each in published if each.single is not None]
        groups = [each.group for each in published if each.group is not None]
        if found and singles:
            yield _request_line(f"{NAMES[side]}, {pool}, {latency_ms:g} ms", found, singles)
        if found and groups and side == "ours":
            where = f"{NAMES[side]}, {pool}, {latency_ms:g} ms, sent as a group"
            yield _request_line(where, found, groups)


def _request_line(where: str, found: Sequence[Measured], sent: Sequence[Published]) -> str:
    asked, dollars = _asked(found, sent)
    words = (f"{name} {n:.2f}" for name, n in asked.most_common() if n >= _SMALLEST_SHARE)
    price = f"{dollars:.2f}" if dollars else "by the hour"
    return _line((where, f"{sum(asked.values()):.2f}", price, ", ".join(words)))


def _asked(found: Sequence[Measured], sent: Sequence[Published]) -> tuple[Counter[str], float]:
    asked: Counter[str] = Counter()
    for part in ([run.requests for run in found], [each.requests for each in sent]):
        for name in {name for each in part for name in each}:
            asked[name] += median(each.get(name, 0.0) for each in part)  # type: ignore[assignment]
    dollars = median(run.dollars for run in found)
    return asked, dollars + (median(each.dollars for each in sent) if sent else 0.0)


def redis_price() -> str:
    """Return what Redis costs, in words."""
    return f"${prices.REDIS_MICRO_MONTH:.2f} a month for one cache.t4g.micro, used or not"


def _words(found: Spread | None) -> str:
    if found is None:
        return ""
    if found.least == found.most:
        return _number(found.median)
    return f"{_number(found.median)} [{_number(found.least)}-{_number(found.most)}]"


def _number(value: float) -> str:
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
