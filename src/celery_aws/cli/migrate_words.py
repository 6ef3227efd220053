"""What ``migrate run`` and ``migrate rollback`` say before and after."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from celery_aws.cli.migrate_crossing import Crossing
from celery_aws.cli.migrate_moving import Moving
from celery_aws.migrate.plan_findings import SEE_ALL_QUEUES
from celery_aws.migrate.quarantine import Quarantine
from celery_aws.migrate.tally import Tally


def confirm(crossing: Crossing, moving: Moving) -> None:
    """Say what will be done, and ask."""
    for line in _plan_lines(crossing, moving):
        click.echo(line, err=True)
    if not moving.yes:
        click.confirm("Go on?", abort=True, err=True)


def tell(crossing: Crossing, tally: Tally, path: Path) -> None:
    """Say for people what was done."""
    words = [
        f"{tally.sent} sent",
        f"{tally.parked} parked",
        f"{tally.again} sent by an earlier run",
        f"{tally.revoked} revoked",
        f"{tally.quarantined} in quarantine",
        f"{tally.left + sum(crossing.blocked_messages.values())} left",
    ]
    click.echo(f"messages: {', '.join(words)}")
    if tally.quarantined or tally.revoked:
        file = Quarantine.beside(path, source=crossing.inventory.source).path
        click.echo(f"{file} has those in quarantine and the revoked ones, and why", err=True)
    if tally.uncertain:
        click.echo(
            f"{tally.uncertain} of those left may have been sent, because no answer came: they "
            "may run twice",
            err=True,
        )


def tell_blocked(crossing: Crossing) -> None:
    """Say which queues stay, and why."""
    counts = crossing.blocked_messages
    for queue, why in crossing.blocked.items():
        click.echo(f"{queue}: {counts[queue]} message(s) stay: {why}", err=True)


def print_json(crossing: Crossing, tally: Tally, results: Mapping[str, Any] | None) -> None:
    """Print for programs what was done."""
    report = {
        "from": crossing.inventory.source,
        "to": crossing.target_address,
        "messages": tally.as_json(),
        "blocked": dict(crossing.blocked),
        "blocked_messages": dict(crossing.blocked_messages),
        "results": results,
    }
    click.echo(json.dumps(report, indent=2))


def exit_code(crossing: Crossing, tally: Tally, *, ended: bool) -> int:
    """Return 1 if something stays, or is in quarantine; who stopped it knows that more is left.

    Args:
        crossing: from where to where.
        tally: what was done.
        ended: nobody stopped it.
    """
    if tally.quarantined:
        return 1
    return int(ended and bool(tally.left or crossing.blocked))


def _plan_lines(crossing: Crossing, moving: Moving) -> list[str]:
    counts = {each.queue: each.messages for each in crossing.inventory.queues}
    lines = [f"From {crossing.inventory.source} to {crossing.target_address}:"]
    if moving.messages:
        for old, new in crossing.destinations.moved.items():
            name = old if old == new else f"{old} to {new}"
            lines.append(f"  {name}: {counts.get(old, 0)} message(s) will be moved")
        if crossing.inventory.delayed:
            lines.append(
                f"  {crossing.inventory.delayed} delayed message(s), each to its queue, if that is "
                "moved"
            )
        if crossing.inventory.claimed:
            lines.append(
                f"  {crossing.inventory.claimed} message(s) were claimed by a run that did not end"
            )
        if crossing.inventory.incomplete is not None:
            lines.append(f"  {crossing.inventory.incomplete}: {SEE_ALL_QUEUES}")
        for old, why in crossing.blocked.items():
            lines.append(f"  {old}: {counts.get(old, 0)} message(s) stay: {why}")
        if crossing.revoked:
            lines.append(f"  {len(crossing.revoked)} task id(s) are revoked, and not sent")
    if moving.results:
        lines.append("  results will be copied")
    return lines
