"""``celery -A proj aws exporter``: metrics of a whole deployment, for Prometheus or CloudWatch."""

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import click

from celery_aws.cli.app import celery_app
from celery_aws.cli.broker import broker_of
from celery_aws.errors import ConfigurationError
from celery_aws.health.http import LOOPBACK, HttpEndpoint
from celery_aws.metrics.cost_look import COST_SECONDS
from celery_aws.metrics.emf import EmfFormat
from celery_aws.metrics.emf_writer import EMF_SECONDS, EmfWriter, line_writer
from celery_aws.metrics.exporter import Exporter, ExporterSettings
from celery_aws.metrics.samples import Distribution, Sample
from celery_aws.metrics.worker import PATH

#: The Celery exporter's port.
DEFAULT_PORT = 9808

_SECONDS = click.FloatRange(min=0)


@click.command("exporter", short_help="Show metrics to Prometheus, CloudWatch or OpenTelemetry.")
@click.option("--address", default=LOOPBACK, show_default=True, help="IP address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65_535), default=DEFAULT_PORT, show_default=True,
    help="Port of /metrics; 0 takes a free one.",
)  # fmt: skip
@click.option(
    "--prometheus/--no-prometheus", default=True,
    help="Listen; without it prometheus-client is not needed.",
)  # fmt: skip
@click.option(
    "--queue", "-Q", "queues", multiple=True, metavar="QUEUE",
    help="A queue that the configuration does not name; again for more.",
)  # fmt: skip
@click.option(
    "--interval", "queue_seconds", type=click.FloatRange(min=1), default=60.0, show_default=True,
    help="Seconds between two looks at queues.",
)  # fmt: skip
@click.option(
    "--schedule-interval", "schedule_seconds", type=_SECONDS, default=300.0, show_default=True,
    help="Seconds between two counts of parked tasks; 0 is never.",
)  # fmt: skip
@click.option(
    "--inspect-interval", "inspect_seconds", type=_SECONDS, default=300.0, show_default=True,
    help="Seconds between two questions to workers what they consume; 0 is never.",
)  # fmt: skip
@click.option(
    "--cost-interval", "cost_seconds", type=_SECONDS,
    help="Seconds between two looks at what the month has cost; 0 is never. Default: "
    f"{COST_SECONDS:g} if there is a monthly_budget.",
)  # fmt: skip
@click.option("--events/--no-events", default=True, help="Hear events of tasks and workers.")
@click.option(
    "--oldest-age", is_flag=True,
    help="Ask CloudWatch for the age of each queue's oldest message, once a minute at most. Needs "
    "cloudwatch:GetMetricStatistics on *; beyond a million a month, $0.01 for 1,000 requests.",
)  # fmt: skip
@click.option(
    "--hosts", type=click.Choice(["each", "none"]), default="each", show_default=True,
    help="Tell workers apart, or not: where they come and go, that is fewer time series.",
)  # fmt: skip
@click.option(
    "--emf", metavar="PATH",
    help="Append CloudWatch's embedded metric format to a file, - for standard output.",
)  # fmt: skip
@click.option(
    "--emf-interval", "emf_seconds", type=click.FloatRange(min=1), default=EMF_SECONDS,
    show_default=True, help="Seconds between two such documents.",
)  # fmt: skip
@click.option(
    "--namespace", default="CeleryAws", show_default=True, help="Of CloudWatch's metrics."
)
@click.option(
    "--dimension", "dimensions", multiple=True, metavar="NAME=VALUE",
    help="A dimension of all of CloudWatch's metrics; again for more.",
)  # fmt: skip
@click.option("--opentelemetry", is_flag=True, help="Let the global meter provider observe it.")
@click.option("--once", is_flag=True, help="Look once, print it and end; hears no events.")
@click.option("--json", "as_json", is_flag=True, help="With --once: print JSON.")
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    address: str,
    port: int,
    prometheus: bool,
    emf: str | None,
    emf_seconds: float,
    namespace: str,
    dimensions: tuple[str, ...],
    opentelemetry: bool,
    hosts: str,
    once: bool,
    as_json: bool,
    **looks: Any,
) -> None:
    """Show metrics of queues, tasks and workers, until it is ended.

    At http://ADDRESS:PORT/metrics for Prometheus, under the names of the Celery exporter where the
    meaning is the same. It needs the package prometheus-client: pip install "celery-aws[metrics]".
    A scrape costs no request. What costs some, an hour: each SQS queue and each dead-letter queue
    60 GetQueueAttributes; workers registered 60 Query; parked tasks 24 Query if there are none, and
    up to 60 more; the month's cost one; events 360 to 7,200, and 240 to 3,600 of each worker;
    questions to four workers 500. Longer intervals cost less, and what is left out nothing. Tasks
    need workers with -E. With --once it ends with the first failure of a look, exit code 3 where
    AWS refused.
    """
    if as_json and not once:
        raise click.UsageError("--json is for --once", ctx)
    form = _form(ctx, namespace, dimensions)
    app = celery_app(ctx)
    if once:
        looks["events"] = False
    settings = ExporterSettings(by_host=hosts == "each", **looks)
    with broker_of(app) as broker:
        exporter = Exporter(app, broker, settings)
        if once:
            exporter.reader.turn()
            _print(exporter, as_json=as_json)
            for failure in exporter.reader.failures()[:1]:
                raise failure
            return
        if prometheus:
            _listen(HttpEndpoint(address, port, {PATH: _page(exporter)}))
        if opentelemetry:
            _observe(exporter)
        with _running(exporter), _writing(exporter, emf, emf_seconds, form):
            _until_ended()


def _page(exporter: Exporter) -> Any:
    # Only here: it needs an extra, and --once with --json does not.
    from celery_aws.metrics.prometheus import Page  # noqa: PLC0415

    return Page(exporter.source)


def _observe(exporter: Exporter) -> None:
    from celery_aws.metrics.opentelemetry import observe  # noqa: PLC0415
    from celery_aws.metrics.snapshot import Snapshot  # noqa: PLC0415

    snapshot = Snapshot(exporter.source)
    snapshot.start()
    observe(snapshot)


def _listen(endpoint: HttpEndpoint) -> None:
    try:
        endpoint.start()
    except OSError as error:
        raise ConfigurationError(f"cannot listen: {error}", where="--address, --port") from error
    click.echo(f"metrics at http://{endpoint.address}:{endpoint.port}{PATH}", err=True)


def _print(exporter: Exporter, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"metrics": [_json(each) for each in exporter.source.samples()]}))
    else:
        click.echo(_page(exporter)().body, nl=False)


def _json(sample: Sample) -> dict[str, Any]:
    value = sample.value
    if isinstance(value, Distribution):
        value = value.sum
    return {
        "name": sample.metric.name,
        "labels": dict(zip(sample.metric.labels, sample.labels, strict=True)),
        # JSON has no infinity.
        "value": None if value == float("inf") else value,
    }


def _form(ctx: click.Context, namespace: str, dimensions: tuple[str, ...]) -> EmfFormat:
    pairs = [each.partition("=") for each in dimensions]
    if not all(name and value for name, _, value in pairs):
        raise click.UsageError("--dimension wants NAME=VALUE", ctx)
    try:
        return EmfFormat(namespace=namespace, dimensions={name: it for name, _, it in pairs})
    except ValueError as error:
        raise click.UsageError(f"--dimension: {error}", ctx) from error


@contextmanager
def _running(exporter: Exporter) -> Iterator[None]:
    exporter.start()
    try:
        yield
    finally:
        exporter.stop()


@contextmanager
def _writing(
    exporter: Exporter, path: str | None, every_seconds: float, form: EmfFormat
) -> Iterator[None]:
    if path is None:
        yield
        return
    write = line_writer(path)
    writer = EmfWriter(exporter.source, write, form=form, every_seconds=every_seconds)
    writer.start()
    try:
        yield
    finally:
        writer.stop(every_seconds)


def _until_ended() -> None:
    """Wait for SIGINT or SIGTERM."""
    ended = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        ended.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    ended.wait()
