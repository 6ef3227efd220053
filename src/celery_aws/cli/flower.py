"""``celery -A proj aws flower``: Flower, unmodified, with the queues on its broker page.

Flower's own command does all of it: options, environment, configuration file, signals and banner
are its own in every version. Only what it builds gets two handlers more before it starts.
Facts: flower/command.py, 2.0 to 2.2.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import click

from celery_aws.cli.app import celery_app
from celery_aws.cli.broker import broker_of
from celery_aws.errors import ConfigurationError


@click.command(
    "flower",
    short_help="Run Flower, with the queues on its broker page.",
    context_settings={"ignore_unknown_options": True},
)
@click.argument(
    "tornado_argv", nargs=-1, type=click.UNPROCESSED, metavar="[OPTIONS OF CELERY FLOWER]..."
)
@click.pass_context
def command(ctx: click.Context, *, tornado_argv: tuple[str, ...]) -> None:
    """Run Flower, with the queues on its broker page.

    It is Flower as "celery flower" runs it, with the same options, FLOWER_... variables and
    configuration file, but /broker and /api/queues/length work on SQS too. Each look at one of
    these costs a GetQueueAttributes for each SQS queue. It needs the package flower:
    pip install "celery-aws[flower]".
    """
    app = celery_app(ctx)
    flower = _flower()
    with broker_of(app) as broker:
        directory = broker.directory

    from celery_aws.cli.flower_broker import BrokerQueues, add_broker_pages  # noqa: PLC0415

    def add_pages(built: Any) -> None:
        add_broker_pages(built, BrokerQueues(app, directory))

    with _built_by(flower, add_pages):
        # As a command of `celery` itself, whose options it compares with its own.
        ctx.find_root().invoke(flower.flower, tornado_argv=tornado_argv)


def _flower() -> Any:
    """Return the module of Flower's command.

    Raises:
        ConfigurationError: Flower is not installed.
    """
    try:
        return import_module("flower.command")
    except ModuleNotFoundError as error:
        # Of Flower's own dependencies, Python says it better.
        if error.name not in {"flower", "flower.command"}:
            raise
        raise ConfigurationError(
            'Flower is not installed: pip install "celery-aws[flower]"', where="celery aws flower"
        ) from error


@contextmanager
def _built_by(flower: Any, complete: Callable[[Any], None]) -> Iterator[None]:
    """Let ``complete`` have what Flower's command builds, before that starts it."""
    original = flower.Flower

    def build(*args: Any, **kwargs: Any) -> Any:
        built = original(*args, **kwargs)
        complete(built)
        return built

    flower.Flower = build
    try:
        yield
    finally:
        flower.Flower = original
