"""Options that the commands of ``migrate`` share: which side is left, and which of its queues."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any

import click

from celery_aws.migrate.old_app import old_app
from celery_aws.names import AmqpQueue

Command = Callable[..., Any]

#: Where the journal is if nobody says.
JOURNAL = Path("celery-aws-migration.sqlite")


@dataclass(frozen=True, kw_only=True)
class OldSide:
    """What a command was told of the old side.

    Attributes:
        configuration: its configuration file or module; None for Celery's defaults.
        broker_url: instead of the configuration's.
        result_backend: instead of the configuration's.
        queues: old names to new names; empty is all queues, under their own names.
        management_url: of RabbitMQ's HTTP API; None if nobody says.
        journal: the file that knows what was moved.
    """

    configuration: str | None = None
    # They may have a password in them.
    broker_url: str | None = field(default=None, repr=False)
    result_backend: str | None = field(default=None, repr=False)
    queues: Mapping[AmqpQueue, AmqpQueue] = field(default_factory=dict)
    management_url: str | None = field(default=None, repr=False)
    journal: Path = JOURNAL

    def app(self) -> Any:
        """Return the app as it was before. No request.

        Raises:
            ConfigurationError: see :func:`celery_aws.migrate.old_app.old_app`.
        """
        return old_app(
            self.configuration, broker_url=self.broker_url, result_backend=self.result_backend
        )


def as_queues(
    ctx: click.Context,  # noqa: ARG001
    param: click.Parameter,  # noqa: ARG001
    values: tuple[str, ...],
) -> Mapping[AmqpQueue, AmqpQueue]:
    """Return queues by their old names, as ``OLD`` or ``OLD=NEW`` name them.

    Raises:
        click.BadParameter: a name is empty, or one queue is to go to two others.
    """
    queues: dict[AmqpQueue, AmqpQueue] = {}
    for value in values:
        old, _, new = value.partition("=")
        if not old or (not new and "=" in value):
            raise click.BadParameter(f"{value!r} is neither OLD nor OLD=NEW")
        before = queues.setdefault(AmqpQueue(old), AmqpQueue(new or old))
        if before != (new or old):
            raise click.BadParameter(f"{old!r} cannot go to both {before!r} and {new or old!r}")
    return queues


_OPTIONS: tuple[Callable[[Command], Command], ...] = (
    click.option(
        "--journal",
        type=click.Path(dir_okay=False, path_type=Path),
        default=JOURNAL,
        show_default=True,
        help="The file that knows what was moved; the same one for every command.",
    ),
    click.option(
        "--management-url",
        metavar="URL",
        envvar="CELERY_AWS_MIGRATE_MANAGEMENT_URL",
        help="RabbitMQ's HTTP API, such as http://user:password@host:15672.",
    ),
    click.option(
        "--queue",
        "queues",
        metavar="OLD[=NEW]",
        multiple=True,
        callback=as_queues,
        help="Only this queue, by Celery's name, and what it is called on the new side; may be "
        "repeated. Default: all.",
    ),
    click.option(
        "--results-from",
        "result_backend",
        metavar="URL",
        envvar="CELERY_AWS_MIGRATE_RESULTS_FROM",
        help="The old result backend, if not the one of --from-config.",
    ),
    click.option(
        "--from-config",
        "configuration",
        metavar="FILE|MODULE[:NAMESPACE]",
        help="The old configuration: a Python file or a module, such as old/celeryconfig.py or "
        "proj.old_settings:CELERY.",
    ),
    click.option(
        "--from",
        "broker_url",
        metavar="URL",
        envvar="CELERY_AWS_MIGRATE_FROM",
        help="The old broker, if not the one of --from-config: redis://, rediss://, sentinel://, "
        "amqp:// or amqps://. A password in it is seen by everybody who lists processes; in the "
        "variable CELERY_AWS_MIGRATE_FROM it is not.",
    ),
)


def old_side_options(command: Command) -> Command:
    """Add the options that say what is left; they arrive as ``old``, an :class:`OldSide`."""

    @wraps(command)
    def told(
        *arguments: Any,
        configuration: str | None,
        broker_url: str | None,
        result_backend: str | None,
        queues: Mapping[AmqpQueue, AmqpQueue],
        management_url: str | None,
        journal: Path,
        **options: Any,
    ) -> Any:
        old = OldSide(
            configuration=configuration,
            broker_url=broker_url,
            result_backend=result_backend,
            queues=queues,
            management_url=management_url,
            journal=journal,
        )
        return command(*arguments, old=old, **options)

    whole: Command = told
    for add in _OPTIONS:
        whole = add(whole)
    return whole
