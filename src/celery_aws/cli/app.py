"""The Celery app of ``celery -A proj aws ...``; the script ``celery-aws`` has none."""

from typing import Any

import click


def celery_app(ctx: click.Context) -> Any:
    """Return the app that ``celery -A`` names.

    Raises:
        click.UsageError: the command was not called through ``celery``.
    """
    # Celery's CLIContext (celery/bin/base.py); absent under the script.
    app = getattr(ctx.obj, "app", None)
    if app is None:
        raise click.UsageError(
            f"this command needs a Celery app: celery -A proj aws {_words(ctx)}", ctx
        )
    return app


def _words(ctx: click.Context) -> str:
    """Return how the command is called, behind the name of the script."""
    _, *words = ctx.command_path.split(" ")
    return " ".join(words)
