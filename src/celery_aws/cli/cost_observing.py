"""Where ``cost compare`` gets a workload from, if not from flags: who runs now."""

from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any, Final
from urllib.parse import urlsplit

import click

from celery_aws.cli.app import celery_app
from celery_aws.clock import Clock, SystemClock
from celery_aws.cost.observation import Observation
from celery_aws.cost.rabbitmq_observation import observe_rabbitmq
from celery_aws.cost.redis_observation import observe_redis
from celery_aws.cost.worker_observation import observe_workers
from celery_aws.metrics.worker import results_table

Command = Callable[..., Any]

#: What waits between two looks.
clock: Clock = SystemClock()

#: A month of 31 days: longer than that nobody waits.
_MOST_SECONDS: Final = 31 * 86_400.0

_REDIS: Final = ("redis://", "rediss://", "sentinel://")
_RABBITMQ: Final = ("amqp://", "amqps://", "pyamqp://")


def observation_options(command: Command) -> Command:
    """Add the options that :func:`observed` reads."""
    for add in reversed(_OPTIONS):
        command = add(command)
    return command


_OPTIONS: Final[tuple[Callable[[Command], Command], ...]] = (
    click.option(
        "--measured",
        is_flag=True,
        help="Ask the app's workers what they do; what is given by options beats it.",
    ),
    click.option(
        "--from",
        "from_url",
        metavar="URL",
        help="Look at the counters of a running Redis or RabbitMQ, by Celery's URL of it.",
    ),
    click.option(
        "--management-url",
        metavar="URL",
        help="Of RabbitMQ's management plugin, if not on port 15672 of the same host.",
    ),
    click.option(
        "--sample",
        "sample_seconds",
        type=click.FloatRange(min=1, max=_MOST_SECONDS),
        default=60.0,
        show_default=True,
        help="Seconds for which --measured or --from observe.",
    ),
    click.option(
        "--timeout",
        "timeout_seconds",
        type=click.FloatRange(min=0.1, max=_MOST_SECONDS),
        default=2.0,
        show_default=True,
        help="Seconds within which workers have to answer.",
    ),
)


def observed(ctx: click.Context, options: Mapping[str, Any]) -> Observation | None:
    """Observe who is to be observed, if anybody is.

    Raises:
        click.UsageError: two are, or what runs there is not known.
        NotObservedError: nothing can be said of them.
    """
    seconds, url = options["sample_seconds"], options["from_url"]
    if not isfinite(seconds) or not isfinite(options["timeout_seconds"]):
        raise click.UsageError("--sample and --timeout take numbers of seconds", ctx)
    if options["measured"]:
        if url is not None:
            raise click.UsageError("--measured and --from exclude each other", ctx)
        app = celery_app(ctx)
        return observe_workers(
            app,
            seconds=seconds,
            timeout_seconds=options["timeout_seconds"],
            clock=clock,
            results_table=results_table(app),
        )
    if url is None:
        return None
    _check_port(ctx, url, options["management_url"])
    if url.startswith(_REDIS):
        return observe_redis(url, seconds=seconds, clock=clock)
    if url.startswith(_RABBITMQ):
        management_url = options["management_url"]
        return observe_rabbitmq(url, seconds=seconds, clock=clock, management_url=management_url)
    raise click.UsageError("--from takes a redis:// or an amqp:// URL", ctx)


def _check_port(ctx: click.Context, *urls: str | None) -> None:
    # Sentinels are several, each with its port, and separated by semicolons.
    each = (url for text in urls if text is not None for url in text.split(";"))
    if not all(map(_has_port, each)):
        # Without the URL: a password may be in it.
        raise click.UsageError("a URL to look at has a wrong host or port", ctx)


def _has_port(url: str) -> bool:
    try:
        _ = urlsplit(url).port
    except ValueError:
        return False
    return True
