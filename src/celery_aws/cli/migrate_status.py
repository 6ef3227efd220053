"""``celery -A proj aws migrate status``: what is left on the old side, and whether to go on."""

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from celery_aws.cli.app import celery_app
from celery_aws.cli.migrate_options import OldSide, old_side_options
from celery_aws.cli.provision_options import json_option
from celery_aws.clock import Clock, SystemClock
from celery_aws.doctor import Severity, diagnose
from celery_aws.migrate.counting import old_side_inventory
from celery_aws.migrate.inventory import Inventory
from celery_aws.migrate.journal import Journal
from celery_aws.migrate.new_side import read_new_side
from celery_aws.migrate.observations import Observations, SeenWorker, watched, workers_of
from celery_aws.migrate.plan import plan_of
from celery_aws.migrate.status import all_go, steps_of
from celery_aws.migrate.status_report import status_facts, status_lines
from celery_aws.migrate.verification import Verification
from celery_aws.migrate.verify import verify_messages, with_results

_CLOCK = SystemClock()

#: Results that a status compares; `migrate verify` compares all.
_SAMPLE = 1_000


@click.command("status", short_help="Show what is left on the old side, and whether to go on.")
@old_side_options
@click.option(
    "--watch",
    "seconds",
    type=click.FloatRange(min=1),
    metavar="SECONDS",
    help="Watch the old side for so long: shows whether somebody still sends there.",
)
@click.option(
    "--old-workers-gone",
    "told_gone",
    is_flag=True,
    help="No process of the old workers is left: for an old broker that does not say who listens.",
)
@json_option
@click.pass_context
def command(
    ctx: click.Context, *, old: OldSide, seconds: float | None, told_gone: bool, as_json: bool
) -> None:
    """Show how far the migration has got: each step, with go or wait, why, and what to do next.

    Asks the workers of both sides, counts what is left on the old one, and asks the doctor. It
    exits with 0 when every step is done and the old side can be switched off, else with 1.

    It costs what `doctor` costs, and what `migrate verify` costs with 1,000 results.
    """
    seen = _observations(celery_app(ctx), old, seconds, told_gone=told_gone, clock=_CLOCK)
    steps = steps_of(seen)
    if as_json:
        click.echo(json.dumps(status_facts(steps), indent=2))
    else:
        for line in status_lines(steps):
            click.echo(line)
    ctx.exit(0 if all_go(steps) else 1)


def _observations(
    new_app: Any, old: OldSide, seconds: float | None, *, told_gone: bool, clock: Clock
) -> Observations:
    old_app = old.app()
    first = None
    if seconds is not None:
        first = _look(old_app, old)
        moved = _moved(old.journal)
        clock.sleep(seconds)
    inventory = _inventory(old_app, old, results=True)
    seen = Observations(
        inventory=inventory,
        old_workers=_old_workers(old),
        new_workers=workers_of(new_app),
        told_gone=told_gone,
    )
    if first is not None and seconds is not None:
        seen = replace(
            seen,
            watched=watched(first, seen, seconds=seconds, moved=_moved(old.journal) - moved),
        )
    return _compared(_planned(seen, new_app, old), old_app, new_app, old)


def _look(old_app: Any, old: OldSide) -> Observations:
    return Observations(
        inventory=_inventory(old_app, old, results=False), old_workers=_old_workers(old)
    )


def _old_workers(old: OldSide) -> tuple[SeenWorker, ...]:
    # An app of its own, whose connections are closed: they would look like those of a worker.
    with old.app() as app:
        return workers_of(app)


def _planned(seen: Observations, new_app: Any, old: OldSide) -> Observations:
    targets = [old.queues.get(count.queue, count.queue) for count in seen.inventory.queues]
    plan = plan_of(seen.inventory, read_new_side(new_app, targets), names=old.queues)
    report = diagnose(new_app, queues=targets)
    errors = (each.id for each in report.findings if each.severity is Severity.ERROR)
    return replace(seen, blocks=_names(each.name for each in plan.blocks), problems=_names(errors))


def _compared(seen: Observations, old_app: Any, new_app: Any, old: OldSide) -> Observations:
    found = None
    if old.journal.exists():
        found = verify_messages(old.journal, seen.inventory, new_app)
    results = seen.inventory.results
    if results is None:
        return replace(seen, verification=found)
    compared = with_results(found or Verification(moved={}), old_app, new_app, sample=_SAMPLE)
    wrong = sum(each.count for each in compared.differences if each.name.startswith("results-"))
    counted = compared.results or not any(results.results.values())
    return replace(
        seen,
        verification=None if found is None else compared,
        results_to_copy=wrong if counted else None,
    )


def _inventory(old_app: Any, old: OldSide, *, results: bool) -> Inventory:
    return old_side_inventory(
        old_app,
        queues=tuple(old.queues) or None,
        look=False,
        results=results,
        management_url=old.management_url,
    )


def _moved(path: Path) -> int:
    if not path.exists():
        return 0
    journal = Journal(path)
    try:
        return sum(count for fates in journal.counts().values() for count in fates.values())
    finally:
        journal.close()


def _names(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
