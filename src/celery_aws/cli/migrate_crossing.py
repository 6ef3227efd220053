"""From where to where ``migrate run`` and ``migrate rollback`` move, and the move itself."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
from kombu.utils.uuid import uuid

from celery_aws.cli.interrupts import stop_requests
from celery_aws.cli.migrate_moving import Moving
from celery_aws.cli.progress import progress
from celery_aws.clock import SystemClock
from celery_aws.migrate.destinations import Destinations
from celery_aws.migrate.inventory import Inventory
from celery_aws.migrate.journal import Journal, Passage
from celery_aws.migrate.opening import inventory_of, source_of, target_of
from celery_aws.migrate.quarantine import Quarantine
from celery_aws.migrate.tally import Tally
from celery_aws.migrate.transfer import migrate
from celery_aws.migrate.transfer_order import Order, Sides
from celery_aws.names import AmqpQueue

_CLOCK = SystemClock()


@dataclass(frozen=True, kw_only=True)
class Crossing:
    """From where to where.

    Attributes:
        source: the app that is left.
        target: the app that is entered.
        inventory: what is in the first.
        destinations: where its queues go.
        target_address: of the second, without secrets.
        management_url: of RabbitMQ's HTTP API, if the first is on RabbitMQ.
        revoked: ids of tasks that are not to run.
    """

    source: Any
    target: Any
    inventory: Inventory
    destinations: Destinations
    target_address: str
    management_url: str | None = field(default=None, repr=False)
    revoked: frozenset[str] = frozenset()

    @property
    def messages(self) -> int:
        """About how many messages will go."""
        moved = self.destinations.moved
        waiting = sum(each.messages for each in self.inventory.queues if each.queue in moved)
        return waiting + self.inventory.delayed + self.inventory.claimed

    @property
    def blocked(self) -> Mapping[AmqpQueue, str]:
        """The queues with messages that stay, and why."""
        busy = self.blocked_messages
        return {queue: why for queue, why in self.destinations.blocked.items() if queue in busy}

    @property
    def blocked_messages(self) -> Mapping[AmqpQueue, int]:
        """How many messages these queues had before the run."""
        blocked = self.destinations.blocked
        return {
            each.queue: each.messages
            for each in self.inventory.queues
            if each.messages and each.queue in blocked
        }


@dataclass(frozen=True, kw_only=True)
class Rest:
    """What is on the side that was left after a run.

    Attributes:
        waiting: messages of the queues that were moved: new ones, or such that cannot be taken yet.
        delayed: messages that wait for their eta in the broker, for queues that were not moved.
        held: messages that workers have and have not acknowledged.
        claimed: messages that a command took and did not settle.
    """

    waiting: int = 0
    delayed: int = 0
    held: int = 0
    claimed: int = 0


def rest_of(crossing: Crossing) -> Rest:
    """Return what is left now; costs what an inventory does without looking at messages."""
    inventory = inventory_of(
        crossing.source,
        queues=list(crossing.destinations.moved),
        look=False,
        management_url=crossing.management_url,
    )
    return Rest(
        waiting=sum(each.messages for each in inventory.queues),
        delayed=inventory.delayed,
        held=sum(each.held or 0 for each in inventory.queues),
        claimed=inventory.claimed,
    )


def move_messages(crossing: Crossing, moving: Moving, path: Path, tally: Tally) -> bool:
    """Move messages, with a bar, until none are left or somebody wants it to stop.

    Args:
        crossing: from where to where.
        moving: how.
        path: of the journal.
        tally: numbers go in here, also before an error.

    Returns:
        False if somebody stopped it.

    Raises:
        CeleryAwsError: see :func:`celery_aws.migrate.transfer.migrate`; or another run is at it.
    """
    run = uuid()[:8]
    with closing(Journal(path)) as journal, journal.held():
        _finish(crossing, journal, run)
        passage = journal.begin(
            source=crossing.inventory.source,
            target=crossing.target_address,
            now=_CLOCK.now(),
        )
        order = Order(
            run=run,
            threads=moving.threads,
            per_second=moving.per_second,
            follow=moving.follow,
            revoked=crossing.revoked,
        )
        with (
            stop_requests() as stopped,
            progress("Moving", crossing.messages) as advance,
        ):
            migrate(
                _sides(crossing, moving, passage),
                order,
                journal=journal,
                quarantine=Quarantine.beside(path, source=crossing.inventory.source),
                clock=_CLOCK,
                stopped=stopped,
                progress=advance,
                tally=tally,
            )
            return not stopped()


def _finish(crossing: Crossing, journal: Journal, run: str) -> None:
    """Move what a command in the other direction had claimed when it was killed.

    It is in no queue of either side, and nobody else would come back for it.
    """
    before = journal.passage()
    source, target = crossing.inventory.source, crossing.target_address
    if before is None or before.goes(source=source, target=target):
        return
    queues = {new: old for old, new in crossing.destinations.moved.items()}
    sides = Sides(
        source=lambda name: source_of(crossing.target, queues=queues, run=name),
        target=lambda name: target_of(crossing.source, name, passage=before.name),
    )
    found = migrate(
        sides,
        Order(run=f"{run}-before", only_claimed=True),
        journal=journal,
        quarantine=Quarantine.beside(journal.path, source=before.source),
        clock=_CLOCK,
    )
    if found.moved:
        click.echo(
            f"{found.moved} message(s) were claimed in the other direction by a command that was "
            f"killed: they went to {before.target} first",
            err=True,
        )


def _sides(crossing: Crossing, moving: Moving, passage: Passage) -> Sides:
    return Sides(
        source=lambda name: source_of(
            crossing.source,
            queues=crossing.destinations.moved,
            run=name,
            take_held=moving.take_held,
            even_if_alive=moving.even_if_alive,
            management_url=crossing.management_url,
        ),
        target=lambda name: target_of(crossing.target, name, passage=passage.name),
    )
