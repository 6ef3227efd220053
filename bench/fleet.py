"""What remote control and events cost: idle, watched, with gossip, asked by ``inspect``.

Runs fleets in the simulated world of the tests: the real control plane, movers and reaper on
in-memory doubles that bill as AWS does. Nothing is timed, and nothing is asked of AWS.
``python -m bench.fleet --write-docs`` puts the tables into the page; it takes some ten minutes.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from bench.fleet_cloud import Bill
from bench.fleet_run import Metered, Scenario, inspect_of, meter

PAGE = Path(__file__).parents[1] / "docs" / "explanation" / "monitoring.md"
BEGIN = "<!-- python -m bench.fleet --write-docs: {name} -->\n"
END = "<!-- end of {name} -->\n"

DAY = 86_400.0

IDLE = Scenario(workers=100, seconds=1_200.0)
WATCHED = replace(IDLE, monitors=1, seconds=600.0)

#: What a hundred workers may be doing, and for how long that is metered.
FLEETS = {
    "nobody monitors": IDLE,
    "a monitor, no tasks": WATCHED,
    "Flower, no tasks": replace(WATCHED, flower=True),
    "a monitor, a task a second each": replace(WATCHED, tasks_per_second=1.0, seconds=60.0),
    "a monitor, ten tasks a second each": replace(WATCHED, tasks_per_second=10.0, seconds=20.0),
}


_WORKER_COUNTS = (10, 30, 100)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables, or write them into the page."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m bench.fleet")
    parser.add_argument("--write-docs", action="store_true", help=f"into {PAGE.name}")
    parser.add_argument("--table", choices=TABLES, help="only this one")
    asked = parser.parse_args(arguments)
    for name in [asked.table] if asked.table else TABLES:
        table = "".join(f"{line}\n" for line in TABLES[name]())
        if asked.write_docs:
            PAGE.write_text(_replaced(PAGE.read_text(), name, table))
        else:
            print(f"{name}\n\n{table}")


def idle() -> Iterator[str]:
    """Yield what workers cost that have nothing to do."""
    yield "| 30 days, nothing to do, nobody monitors | requests | SQS | DynamoDB | USD |"
    yield "|---|---|---|---|---|"
    two = meter(Scenario(workers=2, seconds=DAY))
    alone = meter(Scenario(workers=1, control=False, seconds=DAY))
    rows = {
        "the only worker, or the one of all that moves and reaps": (two, "leader"),
        "each other worker": (two, "worker"),
        "the only one, `worker_enable_remote_control = False`": (alone, "leader"),
    }
    for name, (metered, who) in rows.items():
        used = metered.a_month(metered.bills[who])
        sqs = used.sqs + used.fifo
        yield (
            f"| {name} | {used.requests:,.0f} | {sqs:,.0f} | {used.requests - sqs:,.0f} "
            f"| {used.dollars:.2f} |"
        )


def fleets() -> Iterator[str]:
    """Yield what a hundred workers ask a minute, and pay a month."""
    head = "requests a minute: workers | of these SendMessage | monitor"
    yield f"| 100 workers | {head} | USD a month: workers | monitor | in all |"
    yield "|---|---|---|---|---|---|---|"
    for name, scenario in FLEETS.items():
        yield _fleet_row(name, meter(scenario))


def operations() -> Iterator[str]:
    """Yield what a hundred watched workers ask a minute, by operation and who pays."""
    metered = meter(FLEETS["Flower, no tasks"])
    payers = ("leader", "worker", "monitor")
    bills = [metered.a_minute(metered.bills[who]) for who in payers]
    yield "| requests a minute | leader | 99 other workers | Flower |"
    yield "|---|---|---|---|"
    for operation in sorted({name for bill in bills for name in bill.operations}):
        counts = [bill.operations[operation] for bill in bills]
        if any(counts):
            yield f"| {operation} | {' | '.join(f'{each:,.0f}' for each in counts)} |"
    units = {"write units": "write_units", "read units": "read_units"}
    for name, attribute in units.items():
        yield f"| {name} | {' | '.join(f'{getattr(bill, attribute):,.0f}' for bill in bills)} |"


def gossip() -> Iterator[str]:
    """Yield what it costs that workers listen to each other."""
    yield "| workers | USD a month, `gossip` off | on | requests a minute, on |"
    yield "|---|---|---|---|"
    for workers in _WORKER_COUNTS:
        off = meter(Scenario(workers=workers, seconds=600.0))
        on = meter(Scenario(workers=workers, gossip=True, seconds=96.0, settling_seconds=180.0))
        dollars = [each.a_month(each.total).dollars for each in (off, on)]
        requests = on.a_minute(on.total).requests
        yield f"| {workers} | {dollars[0]:.2f} | {dollars[1]:.2f} | {requests:,.0f} |"


def inspects() -> Iterator[str]:
    """Yield what one ``inspect ping`` asks."""
    yield "| workers | requests | client | workers | USD a thousand |"
    yield "|---|---|---|---|---|"
    for workers in (1, 4, *_WORKER_COUNTS):
        metered = inspect_of(workers)
        client = metered.bills["client"]
        others = metered.total - client
        yield (
            f"| {workers} | {metered.total.requests:,.0f} | {client.requests:,.0f} "
            f"| {others.requests:,.0f} | {1_000 * metered.total.dollars:.2f} |"
        )


TABLES: dict[str, Callable[[], Iterator[str]]] = {
    "idle": idle,
    "fleets": fleets,
    "operations": operations,
    "gossip": gossip,
    "inspects": inspects,
}


def _fleet_row(name: str, metered: Metered) -> str:
    monitor = metered.bills.get("monitor", Bill())
    workers = metered.total - monitor
    a_minute = metered.a_minute(workers)
    dollars = [metered.a_month(each).dollars for each in (workers, monitor, metered.total)]
    lost = f" ({metered.dropped_events:,} events lost)" if metered.dropped_events else ""
    return (
        f"| {name}{lost} | {a_minute.requests:,.0f} | {a_minute.operations['SendMessage']:,.0f} "
        f"| {metered.a_minute(monitor).requests:,.0f} "
        f"| {' | '.join(f'{each:,.2f}' for each in dollars)} |"
    )


def _replaced(page: str, name: str, table: str) -> str:
    begin, end = BEGIN.format(name=name), END.format(name=name)
    before, found, rest = page.partition(begin)
    _, found_end, after = rest.partition(end)
    if not found or not found_end:
        raise SystemExit(f"{PAGE}: no {begin!r} or no {end!r}")
    return f"{before}{begin}{table}{end}{after}"


if __name__ == "__main__":
    main()
