"""``celery -A proj aws migrate status``: what is left on the old side, and whether to go on."""

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import click

from celery_aws.cli.app import celery_app
from celery_aws.cli.migrate_options import OldSide, old_side_options
from celery_aws.cli.provision_options import json_option
from celery_aws.clock import Clock, SystemClock
from celery_aws.doctor import Severity, diagnose
from celery_aws.migrate.counting import old_side_inventory
from celery_aws.migrate.journal import Journal
from celery_aws.migrate.new_side import read_new_side
from celery_aws.migrate.observations import TIMEOUT_SECONDS, Observations, watched, workers_of
from celery_aws.migrate.plan import plan_of
from celery_aws.migrate.status import all_go, steps_of
from celery_aws.migrate.status_report import status_facts, status_lines
from celery_aws.migrate.verification import Verification
from celery_aws.migrate.verify import last_passage, verify_messages, with_results

_CLOCK = SystemClock()

#: Results that a status compares, unless it is to compare all; `migrate verify` compares all.
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
    "--timeout",
    "timeout_seconds",
    type=click.FloatRange(min=0.1),
    default=TIMEOUT_SECONDS,
    show_default=True,
    metavar="SECONDS",
    help="How long workers have to answer.",
)
@click.option(
    "--old-workers-gone",
    "told_gone",
    is_flag=True,
    help="No process of the old workers is left: for an old broker that does not say who listens.",
)
@click.option(
    "--results-expired",
    "told_results_expired",
    is_flag=True,
    help="The old results have expired, and no chord waits there: for an old result backend that "
    "cannot be listed, such as a database or memcached.",
)
@click.option(
    "--all-results",
    is_flag=True,
    help="Compare all results, as `migrate verify` does, and not a thousand of them.",
)
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    *,
    old: OldSide,
    seconds: float | None,
    timeout_seconds: float,
    told_gone: bool,
    told_results_expired: bool,
    all_results: bool,
    as_json: bool,
) -> None:
    """Show how far the migration has got: each step, with go or wait, why, and what to do next.

    Asks the workers of both sides, counts what is left on the old one, and asks the doctor. It
    exits with 0 when every step is done and the old side can be switched off, else with 1.

    It costs what `doctor` costs, and what `migrate verify` costs with 1,000 results, or with all.
    """
    sides = _Sides(
        celery_app(ctx),
        old,
        timeout_seconds=timeout_seconds,
        sample=None if all_results else _SAMPLE,
        clock=_CLOCK,
    )
    seen = replace(
        sides.look(seconds), told_gone=told_gone, told_results_expired=told_results_expired
    )
    steps = steps_of(seen)
    if as_json:
        click.echo(json.dumps(status_facts(steps), indent=2))
    else:
        for line in status_lines(steps):
            click.echo(line)
    ctx.exit(0 if all_go(steps) else 1)


class _Sides:
    """Both sides of a migration, to be looked at."""

    def __init__(
        self,
        new_app: Any,
        old: OldSide,
        *,
        timeout_seconds: float,
        sample: int | None,
        clock: Clock,
    ) -> None:
        self._new_app = new_app
        self._old_app = old.app()
        self._old = old
        self._timeout_seconds = timeout_seconds
        self._sample = sample
        self._clock = clock

    def look(self, watch_seconds: float | None) -> Observations:
        """Return all that is seen, of the old side after it was watched for so long."""
        before, moved = None, 0
        if watch_seconds is not None:
            # What a run moves between the two counts as come, and nothing that came as moved.
            moved = self._moved()
            before = self._look_at_old_side(results=False)
            self._clock.sleep(watch_seconds)
        seen = self._look_at_old_side(results=True)
        if before is not None and watch_seconds is not None:
            moved = self._moved() - moved
            happened = watched(before, seen, seconds=watch_seconds, moved=moved)
            seen = replace(seen, watched=happened)
        new_workers = workers_of(self._new_app, timeout_seconds=self._timeout_seconds)
        return self._compared(self._planned(replace(seen, new_workers=new_workers)))

    def _look_at_old_side(self, *, results: bool) -> Observations:
        inventory = old_side_inventory(
            self._old_app,
            queues=tuple(self._old.queues) or None,
            look=False,
            results=results,
            management_url=self._old.management_url,
        )
        # An app of its own, whose connections are closed: they would look like those of a worker.
        with self._old.app() as app:
            workers = workers_of(app, timeout_seconds=self._timeout_seconds)
        return Observations(inventory=inventory, old_workers=workers)

    def _planned(self, seen: Observations) -> Observations:
        names = self._old.queues
        targets = [names.get(count.queue, count.queue) for count in seen.inventory.queues]
        # Those that are named may not be on the old side.
        side = read_new_side(self._new_app, [*targets, *names.values()])
        plan = plan_of(seen.inventory, side, names=names)
        # With the rights of who runs this: a migrator has not those of a worker.
        report = diagnose(self._new_app, role="migrator", queues=targets)
        errors = (each.id for each in report.findings if each.severity is Severity.ERROR)
        return replace(
            seen, blocks=_names(each.name for each in plan.blocks), problems=_names(errors)
        )

    def _compared(self, seen: Observations) -> Observations:
        found = None
        passage = last_passage(self._old.journal)
        # After a rollback the journal is of the way back.
        if passage is not None and passage.source == seen.inventory.source:
            found = verify_messages(self._old.journal, seen.inventory, self._new_app)
        results = seen.inventory.results
        if results is None:
            return replace(seen, verification=found)
        compared = with_results(
            found or Verification(moved={}), self._old_app, self._new_app, sample=self._sample
        )
        wrong = sum(each.count for each in compared.differences if each.name.startswith("results-"))
        counted = compared.results or not any(results.results.values())
        return replace(
            seen,
            verification=None if found is None else compared,
            results_to_copy=wrong if counted else None,
            results_sampled=compared.sampled,
        )

    def _moved(self) -> int:
        if not self._old.journal.exists():
            return 0
        journal = Journal(self._old.journal)
        try:
            return sum(count for fates in journal.counts().values() for count in fates.values())
        finally:
            journal.close()


def _names(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
