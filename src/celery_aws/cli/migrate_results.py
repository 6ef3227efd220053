"""The results' part of ``migrate run`` and ``migrate rollback``."""

from dataclasses import asdict
from importlib import import_module
from typing import Any

import click

from celery_aws.cli.migrate_moving import Moving
from celery_aws.cli.progress import progress


def copy(source: Any, target: Any, moving: Moving) -> dict[str, Any] | None:
    """Copy the results of one app to another, with a bar, and say how many.

    Args:
        source: the app whose result backend is read.
        target: the app whose result backend gets them.
        moving: how.

    Returns:
        The numbers, by name; None if the results of this backend cannot be listed.
    """
    parts: Any = import_module("celery_aws.migrate.results")
    found = parts.result_inventory(source)
    if found is None:
        click.echo("results: this backend cannot list them; none are copied", err=True)
        return None
    with progress("Results", sum(found.results.values()) + found.groups) as advance:
        tally = parts.copy_results(
            source, target, threads=moving.threads, rate=moving.per_second, progress=advance
        )
    numbers = asdict(tally)
    if not moving.as_json:
        click.echo("results: " + ", ".join(f"{count} {name}" for name, count in numbers.items()))
    return numbers
