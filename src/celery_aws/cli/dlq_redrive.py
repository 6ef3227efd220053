"""``celery -A proj aws dlq redrive``: dead letters back to the queues that they came from."""

import json
from dataclasses import dataclass
from typing import Any

import click

from celery_aws.aws.message_moves import MoveStatus, MoveTask
from celery_aws.broker.directory import QueueAddress
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
from celery_aws.core.queue_names import name_of_url
from celery_aws.dlq.destinations import Destinations
from celery_aws.dlq.letters import LetterFilter
from celery_aws.dlq.moving import Moved, Mover
from celery_aws.dlq.queues import DeadLetterQueue
from celery_aws.dlq.redrive_task import RedriveTask
from celery_aws.errors import UnsupportedError
from celery_aws.names import AmqpQueue, QueueArn


@dataclass(frozen=True, kw_only=True)
class _Order:
    """What is sent back.

    Attributes:
        queue: from which queue.
        destinations: where to.
        wanted: which of its messages.
        most: at most so many; None is all.
        seconds: for how long what was looked at is hidden; None is long enough.
    """

    queue: DeadLetterQueue
    destinations: Destinations
    wanted: LetterFilter
    most: int | None
    seconds: int | None

    @property
    def is_of_all(self) -> bool:
        """True if nothing of the queue stays."""
        return self.wanted.wants_all and self.most is None


@click.command("redrive", short_help="Send dead letters back to the queues that they came from.")
@queue_argument
@filter_options
@all_option
@click.option("--to", metavar="QUEUE", help="Celery's name of the queue that they go to.")
@click.option("--limit", type=click.IntRange(min=1), help="Messages to send at most.")
@click.option("--cancel", is_flag=True, help="End the redrive that SQS carries out.")
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
    to: str | None,
    limit: int | None,
    cancel: bool,
    seconds: int | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Send dead letters back to the queues that they came from, or to another one.

    Each is a new message there: its receives count from the start. With --all, SQS moves them by
    itself where all go to one queue. Else they are sent from here, ten at a time, and deleted once
    SQS has them. A command that is killed loses none; of the last ten, those that were sent and not
    yet deleted are sent again by the next one, so that they may run twice (not in a FIFO queue
    within five minutes).

    Costs a request every two seconds where SQS moves them, else three for ten messages, and with a
    filter two for ten that stay.
    """
    with desk_of(celery_app(ctx)) as desk:
        found = desk.queues.named(queue)
        task = RedriveTask(found, desk.broker.clock)
        if cancel:
            ctx.exit(_cancel(task, found))
        check_is_asked_for(wanted, everything=everything)
        _refuse_beside(task.running(), found)
        destinations = Destinations(
            found, desk.broker.directory, None if to is None else AmqpQueue(to)
        )
        order = _Order(
            queue=found, destinations=destinations, wanted=wanted, most=limit, seconds=seconds
        )
        warn_of_looking(found, yes=True)
        _confirm(order, yes=yes)
        target = destinations.only_one if order.is_of_all else None
        if target is not None and _start(task, target):
            ctx.exit(_watch(task, found, as_json=as_json))
        moved = _move(desk, order, as_json=as_json)
    ctx.exit(1 if moved.left or moved.twice else 0)


def _cancel(task: RedriveTask, queue: DeadLetterQueue) -> int:
    cancelled = task.cancel()
    if cancelled is None:
        click.echo(f"SQS carries out no redrive of {queue.name}.", err=True)
        return 1
    click.echo(f"Cancelled; about {cancelled.moved} message(s) were moved.", err=True)
    return 0


def _refuse_beside(task: MoveTask | None, queue: DeadLetterQueue) -> None:
    if task is not None:
        raise UnsupportedError(
            f"SQS carries out a redrive of {queue.name} already: {task.moved} of about "
            f"{task.to_move} message(s) are moved. Wait for its end, or end it by --cancel"
        )


def _confirm(order: _Order, *, yes: bool) -> None:
    queue, target = order.queue, order.destinations.only_one
    where = "the queues that they came from" if target is None else name_of_url(target.url)
    count = f"all, about {queue.depth.messages}," if order.wanted.wants_all else "those that match"
    most = "" if order.most is None else f", at most {order.most}"
    click.echo(f"Will send {count} of {queue.name} to {where}{most}.", err=True)
    if not yes:
        click.confirm("Go on?", abort=True, err=True)


def _start(task: RedriveTask, target: QueueAddress) -> bool:
    """Let SQS move everything; False if it does not."""
    arn = target.service.queue_attributes(target.url, ["QueueArn"])["QueueArn"]
    try:
        task.start(QueueArn(arn))
    except UnsupportedError as error:
        click.echo(
            f"SQS does not move them by itself, so they are sent from here: {error}", err=True
        )
        return False
    return True


def _watch(task: RedriveTask, queue: DeadLetterQueue, *, as_json: bool) -> int:
    before = 0
    with (
        stop_requests() as stopped,
        progress("SQS moves them", queue.depth.messages) as advance,
    ):

        def tell(state: MoveTask) -> None:
            nonlocal before
            advance(state.moved - before)
            before = state.moved

        ended = task.watch(tell, stopped=stopped)
    if as_json:
        report = {"by": "SQS", "status": ended.status.value, "failure": ended.failure}
        _print_json(queue, ended.moved, report)
    else:
        click.echo(f"{ended.moved} message(s) moved by SQS: {ended.status.value}")
    if ended.active:
        click.echo("It goes on without this command; --cancel ends it.", err=True)
    if ended.failure is not None:
        click.echo(f"Error: {ended.failure}", err=True)
    return 3 if ended.status is MoveStatus.FAILED else int(ended.status is not MoveStatus.COMPLETED)


def _move(desk: Desk, order: _Order, *, as_json: bool) -> Moved:
    moved = Moved()
    try:
        with (
            stop_requests() as stopped,
            progress("Sending", order.queue.depth.visible) as seen,
            desk.look(order.queue, order.seconds) as look,
        ):
            mover = Mover(look, order.destinations, clock=desk.broker.clock)
            moved = mover.moved
            reader = desk.reader(errors=order.wanted.error is not None)
            tried = 0
            for page in wanted_of(look, reader, order.wanted, stopped=stopped, seen=seen):
                due = page if order.most is None else page[: order.most - tried]
                mover.move(due)
                tried += len(due)
                if tried == order.most:
                    break
    finally:
        _tell(order.queue, moved, as_json=as_json)
    return moved


def _tell(queue: DeadLetterQueue, moved: Moved, *, as_json: bool) -> None:
    tell_left([(each.letter, each.reason) for each in moved.left])
    for letter in moved.twice:
        click.echo(
            f"{letter.task_id or letter.message_id}: was sent, or may have been, and is still in "
            f"{queue.name}: sent again, it may run twice; drop it by --id {letter.message_id}",
            err=True,
        )
    if not as_json:
        click.echo(f"{moved.count} message(s) sent back")
        return
    report = {
        "by": "command",
        "left": [
            _named(each.letter.message_id, each.letter.task_id, each.reason) for each in moved.left
        ],
        "maybe_twice": [_named(each.message_id, each.task_id, None) for each in moved.twice],
    }
    _print_json(queue, moved.count, report)


def _named(message_id: str, task_id: str | None, reason: str | None) -> dict[str, Any]:
    return {"id": task_id, "message_id": message_id, "reason": reason}


def _print_json(queue: DeadLetterQueue, count: int, report: dict[str, Any]) -> None:
    click.echo(json.dumps({"queue": queue.name, "moved": count, **report}, indent=2))
