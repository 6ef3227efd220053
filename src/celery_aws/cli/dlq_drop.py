"""``celery -A proj aws dlq drop``: dead letters deleted for good."""

import json
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import click

from celery_aws.cli.app import celery_app
from celery_aws.cli.dlq_desk import (
    Desk,
    check_is_asked_for,
    desk_of,
    tell_left,
    wanted_of,
    warn_of_looking,
)
from celery_aws.cli.dlq_options import (
    all_option,
    filter_options,
    queue_argument,
    visibility_option,
)
from celery_aws.cli.interrupts import stop_requests
from celery_aws.cli.progress import progress
from celery_aws.cli.schedule_options import json_option, yes_option
from celery_aws.dlq.archive import Archive
from celery_aws.dlq.dropping import Dropped, Dropper
from celery_aws.dlq.letters import Letter, LetterFilter
from celery_aws.dlq.queues import DeadLetterQueue


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """What may be dropped.

    Attributes:
        queue: of which queue.
        wanted: which of its messages.
        ids: only these, that somebody was told of; None is all.
        most: at most so many; None is all.
        seconds: for how long what was looked at is hidden.
    """

    queue: DeadLetterQueue
    wanted: LetterFilter
    ids: frozenset[str] | None = None
    most: int | None = None
    seconds: int | None = None

    def chosen(self, letters: list[Letter], dropped: int) -> list[Letter]:
        """Return which of some messages are dropped, behind so many others."""
        told_of = [each for each in letters if self.ids is None or each.message_id in self.ids]
        return told_of if self.most is None else told_of[: self.most - dropped]


@click.command("drop", short_help="Delete dead letters for good.")
@queue_argument
@filter_options
@all_option
@click.option("--limit", type=click.IntRange(min=1), help="Messages to delete at most.")
@click.option(
    "--archive",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write each message to this file first, as a line of JSON.",
)
@visibility_option
@yes_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    *,
    queue: str,
    wanted: LetterFilter,
    everything: bool,
    limit: int | None,
    archive: Path | None,
    seconds: int | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Delete dead letters for good, with what is in S3 of them.

    First they are counted, and their number has to be typed; only what was counted is deleted, and
    nothing that has come since. In a FIFO queue --all counts what SQS tells, and deletes as many.

    Costs two requests for ten messages to count them (not with --yes), and two for ten to delete
    them.
    """
    check_is_asked_for(wanted, everything=everything)
    with desk_of(celery_app(ctx)) as desk:
        found = desk.queues.named(queue)
        warn_of_looking(found, yes=True)
        plan = _Plan(queue=found, wanted=wanted, most=limit, seconds=seconds)
        if yes:
            click.echo(f"Will delete what matches of {found.name}.", err=True)
        else:
            plan = _confirmed(desk, plan)
        dropped = _drop(desk, plan, archive)
    tell_left([(each.letter, each.reason) for each in dropped.left])
    if as_json:
        _print_json(found, dropped, archive)
    else:
        click.echo(f"{dropped.count} message(s) deleted")
    ctx.exit(1 if dropped.left else 0)


def _confirmed(desk: Desk, plan: _Plan) -> _Plan:
    """Say what would be deleted, and return it once its number was typed."""
    if plan.queue.fifo and plan.wanted.wants_all:
        count, ids, tasks = plan.queue.depth.visible, None, Counter[str]()
    else:
        letters = _counted(desk, plan)
        ids = frozenset(each.message_id for each in letters)
        tasks = Counter(each.task or "no task" for each in letters)
        count = len(letters)
    if plan.most is not None:
        count = min(count, plan.most)
    click.echo(f"Will delete {count} message(s) of {plan.queue.name}:", err=True)
    for task, number in tasks.most_common():
        click.echo(f"  {number}  {task}", err=True)
    if count and click.prompt("Type the number to delete them", err=True) != str(count):
        raise click.Abort
    return _Plan(queue=plan.queue, wanted=plan.wanted, ids=ids, most=count, seconds=plan.seconds)


def _counted(desk: Desk, plan: _Plan) -> list[Letter]:
    letters: list[Letter] = []
    with (
        stop_requests() as stopped,
        progress("Counting", plan.queue.depth.visible) as seen,
        desk.look(plan.queue, plan.seconds) as look,
    ):
        reader = desk.reader(errors=plan.wanted.error is not None)
        for page in wanted_of(look, reader, plan.wanted, stopped=stopped, seen=seen):
            letters += page
            if plan.most is not None and len(letters) >= plan.most:
                break
        if stopped():
            raise click.Abort
    return letters if plan.most is None else letters[: plan.most]


def _drop(desk: Desk, plan: _Plan, archive: Path | None) -> Dropped:
    if plan.most == 0:
        return Dropped()
    with ExitStack() as stack:
        stopped = stack.enter_context(stop_requests())
        seen = stack.enter_context(progress("Deleting", plan.most or plan.queue.depth.visible))
        look = stack.enter_context(desk.look(plan.queue, plan.seconds))
        reader = desk.reader(errors=plan.wanted.error is not None)
        dropper = Dropper(
            plan.queue.name,
            look,
            reader=reader,
            large_messages=desk.broker.large_messages,
            archive=None if archive is None else stack.enter_context(Archive(archive)),
        )
        for page in wanted_of(look, reader, plan.wanted, stopped=stopped, seen=seen):
            dropper.drop(plan.chosen(page, dropper.dropped.count))
            if dropper.dropped.count == plan.most:
                break
    return dropper.dropped


def _print_json(queue: DeadLetterQueue, dropped: Dropped, archive: Path | None) -> None:
    report = {
        "queue": queue.name,
        "deleted": dropped.count,
        "archive": None if archive is None else str(archive),
        "left": [
            {
                "id": each.letter.task_id,
                "message_id": each.letter.message_id,
                "reason": each.reason,
            }
            for each in dropped.left
        ],
    }
    click.echo(json.dumps(report, indent=2))
