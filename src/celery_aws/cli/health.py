"""``celery -A proj aws health``, the same as ``celery-aws health``, which is faster."""

import click

from celery_aws.health import probe


@click.command(
    "health",
    short_help="Tell whether the workers here are live and ready.",
    context_settings={"ignore_unknown_options": True},
    # Its options are those of the probe, which has no time to load click.
    add_help_option=False,
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def command(ctx: click.Context, *, arguments: tuple[str, ...]) -> None:
    """Tell whether the workers here are live and ready. No request."""
    ctx.exit(probe.main(arguments, program=ctx.command_path))
