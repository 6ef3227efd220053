"""Every command of Celery's remote control, tried on four workers; and the table of it in the docs.

Starts a local AWS, four workers and clients, sends every command in every way, looks whether it
was done, and counts what each side asked of AWS. ``python -m bench.control.commands --help``.
"""

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path

from bench.control.asked import AUDIENCES, Outcome, ask_all, verify_late
from bench.control.control_commands import pool_commands, settings_commands
from bench.control.endings import end_workers
from bench.control.fleet import Fleet
from bench.control.inspect_commands import inspect_commands
from bench.control.revoking_commands import revoking_commands
from bench.control.scene import send_naps, start_naps
from bench.control.shell_commands import monitor_commands, run_all, shell_commands
from celery_aws.local import LocalAws
from celery_aws.testing.fixtures import AwsEnvironment, new_environment

PAGE = Path(__file__).parent.parent.parent / "docs" / "reference" / "remote-control.md"

#: What is between these lines of the page is written by this program.
BEGIN = "<!-- written by python -m bench.control.commands --write-docs -->"
END = "<!-- end -->"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table, or put it into the page."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m bench.control.commands")
    parser.add_argument("--write-docs", action="store_true", help=f"write it into {PAGE.name}")
    asked = parser.parse_args(arguments)
    with LocalAws() as aws:
        lines = table(outcomes(new_environment(aws), quick=False))
    if asked.write_docs:
        PAGE.write_text(replaced(PAGE.read_text(), lines))
    else:
        print("\n".join(lines))


def outcomes(aws: AwsEnvironment, *, quick: bool) -> list[Outcome]:
    """Run every command on four workers.

    Args:
        aws: a corner of the local AWS.
        quick: not in every way, without waiting for answers that nobody will give, and with one
            process for all command lines but monitors.

    Raises:
        AssertionError: a command was not done, or not by those whom it was for.
    """
    with Fleet(aws, one_shell=quick) as fleet:
        running, waiting = start_naps(fleet), send_naps(fleet)
        pool, pool_later = pool_commands()
        commands = [
            *inspect_commands(running, waiting),
            *settings_commands(),
            *revoking_commands(running, waiting),
            *pool,
        ]
        rows = ask_all(fleet, commands, quick=quick)
        in_shell = run_all(fleet, shell_commands())
        verify_late(fleet, commands)
        rows += ask_all(fleet, pool_later, quick=quick)
        in_shell += run_all(fleet, monitor_commands(quick=quick))
        verify_late(fleet, pool_later)
        return [*rows, *end_workers(fleet), *in_shell]


def table(rows: Sequence[Outcome]) -> list[str]:
    """Return the table in Markdown."""
    head = ["command", *AUDIENCES, "client", "fleet", "seen"]
    return [_line(head), _line("---" for _ in head), *map(_row, rows)]


def cells_of(line: str) -> list[str]:
    """Return the cells of a line of the table."""
    return [cell.strip() for cell in line.strip("|").split("|")]


def written(page: str) -> list[str]:
    """Return the lines of the table in the page."""
    return page.partition(BEGIN)[2].partition(END)[0].strip().splitlines()


def replaced(page: str, lines: Sequence[str]) -> str:
    """Return the page with another table."""
    before, _, rest = page.partition(BEGIN)
    return "\n".join([before + BEGIN, "", *lines, "", END + rest.partition(END)[2]])


def _row(outcome: Outcome) -> str:
    requests = [outcome.usage.client.total(), outcome.usage.fleet.total()]
    replies = [outcome.replies.get(name, "") for name in AUDIENCES]
    return _line([f"`{outcome.command}`", *replies, *requests, outcome.note])


def _line(cells: Iterable[object]) -> str:
    return f"| {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
    main()
