"""What the commands of ``dlq`` have in common: to find a queue, to look through it, to tell."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import click

from celery_aws.broker import Transport
from celery_aws.cli.broker import broker_of
from celery_aws.deployment import declare_priorities, deployment_of
from celery_aws.dlq.letters import Letter, LetterFilter
from celery_aws.dlq.looking import Look, hidden_seconds
from celery_aws.dlq.queues import DeadLetterQueue, DeadLetterQueues
from celery_aws.dlq.reading import LetterReader, no_errors
from celery_aws.dlq.result_errors import ResultErrors


@dataclass(frozen=True, kw_only=True)
class Desk:
    """An app's broker and its dead-letter queues.

    Attributes:
        app: the Celery app.
        broker: its transport.
        queues: finds its dead-letter queues.
    """

    app: Any
    broker: Transport
    queues: DeadLetterQueues

    def look(self, queue: DeadLetterQueue, seconds: int | None) -> Look:
        """Return a look through a queue, that hides messages for so long; None is long enough."""
        enough = hidden_seconds(queue.depth.messages)
        return Look(
            queue,
            clock=self.broker.clock,
            hidden_seconds=enough if seconds is None else seconds,
        )

    def reader(self, *, errors: bool) -> LetterReader:
        """Return what reads dead letters, and asks what went wrong if it shall."""
        asked = ResultErrors(self.app) if errors else no_errors
        return LetterReader(self.broker.large_messages, asked)


@contextmanager
def desk_of(app: Any) -> Iterator[Desk]:
    """Yield an app's desk. No request.

    Raises:
        ConfigurationError: the broker is another one, or a setting is wrong.
    """
    with broker_of(app) as broker:
        declare_priorities(app, broker.directory)
        queues = DeadLetterQueues(deployment_of(app), broker.directory)
        yield Desk(app=app, broker=broker, queues=queues)


def wanted_of(
    look: Look,
    reader: LetterReader,
    wanted: LetterFilter,
    *,
    stopped: Callable[[], bool],
    seen: Callable[[int], None],
) -> Iterator[list[Letter]]:
    """Yield the dead letters that are wanted, by the receives that bring them.

    Args:
        look: brings them.
        reader: reads them.
        wanted: which ones.
        stopped: tells whether to go on no further.
        seen: hears of how many each receive brought.
    """
    for page in look.pages():
        yield [letter for letter in reader.read(page) if wanted.wants(letter)]
        seen(len(page))
        if stopped():
            return
    if not look.in_time:
        click.echo(
            "Time is up: what was looked at may soon be handed out to others. There may be more: "
            "run it again, with a longer --visibility-timeout.",
            err=True,
        )


def warn_of_looking(queue: DeadLetterQueue, *, yes: bool) -> None:
    """Say what else a look does to a queue, and ask where it could move messages."""
    if queue.fifo:
        click.echo(
            f"{queue.name} is a FIFO queue: of each message group only the first messages can be "
            "received, up to ten; those behind a message that stays are not seen.",
            err=True,
        )
    if queue.depth.in_flight:
        click.echo(
            f"{queue.depth.in_flight} message(s) are in flight: somebody else has received them, "
            "or a command that was killed. They are not seen until their visibility timeout is "
            "over.",
            err=True,
        )
    if queue.policy is not None:
        click.echo(
            f"{queue.name} has a redrive policy of its own: after "
            f"{queue.policy.max_receive_count} receives SQS moves a message on to "
            f"{queue.policy.target}. Each look is a receive.",
            err=True,
        )
        if not yes:
            click.confirm("Look at it nevertheless?", abort=True, err=True)


def check_is_asked_for(wanted: LetterFilter, *, everything: bool) -> None:
    """Make sure that nobody means all of a queue by having said nothing.

    Raises:
        click.UsageError: neither a filter nor ``--all``, or both.
    """
    if everything != wanted.wants_all:
        raise click.UsageError("say which: either --all or a filter (--task, --id, ...)")


def tell_left(reasons: Sequence[tuple[Letter, str]]) -> None:
    """Say which dead letters stay, and why."""
    for letter, reason in reasons:
        click.echo(f"{letter.task_id or letter.message_id}: stays: {reason}", err=True)
