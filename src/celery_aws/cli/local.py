"""``celery-aws local``: an AWS on this machine, until Ctrl-C.

What is for programs goes to stdout (``export`` lines or JSON), the words to stderr. With a
command behind ``--``, the AWS lives as long as that command, which gets the variables.
"""

import json
import os
import shlex
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from celery_aws.local import LocalAws

#: The port that AWS emulators are expected at.
DEFAULT_PORT = 4566


class _TerminatedError(KeyboardInterrupt):
    """A SIGTERM: ends the command like Ctrl-C, but reached nobody else."""


@click.command("local")
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=DEFAULT_PORT,
    show_default=True,
    help="Port on 127.0.0.1; 0 takes a free one.",
)
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder to keep queues, tables and objects in. Default: in memory.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the environment as JSON.")
@click.argument("run", nargs=-1, type=click.UNPROCESSED, metavar="[-- COMMAND...]")
@click.pass_context
def command(
    ctx: click.Context, *, port: int, data_dir: Path | None, as_json: bool, run: tuple[str, ...]
) -> None:
    """Run an AWS on this machine, for development and tests.

    Serves SQS, DynamoDB, S3 and some more on 127.0.0.1, prints the environment that makes boto3
    and Celery use it, and runs until Ctrl-C. With a COMMAND behind "--", runs that with this
    environment, and ends with its exit code.
    """
    from celery_aws.local import LocalAws  # noqa: PLC0415

    aws = LocalAws(port=port, data_dir=data_dir)
    with _sigterm_as_interrupt():
        try:
            with aws:
                place = "in memory" if data_dir is None else f"in {data_dir}"
                _say(f"Local AWS on {aws.endpoint_url}, data {place}. Not for production.")
                if run:
                    ctx.exit(_run(run, aws.environment()))
                # Before the environment: whoever waits for that may stop it at once.
                _say("Stop with Ctrl-C.")
                _print_environment(aws.environment(), as_json=as_json)
                _wait(aws)
        except KeyboardInterrupt:
            _say("Stopped.")


def _print_environment(variables: Mapping[str, str], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(variables, indent=2))
        return
    for name, value in variables.items():
        click.echo(f"export {name}={shlex.quote(value)}")


def _say(words: str) -> None:
    click.echo(words, err=True)


def _wait(aws: "LocalAws") -> None:
    from celery_aws.errors import ProcessFailedError  # noqa: PLC0415

    code = aws.wait()
    raise ProcessFailedError(f"the local AWS ended by itself ({code})", output=aws.output)


def _run(arguments: tuple[str, ...], variables: Mapping[str, str]) -> int:
    """Run the user's command to its end and return its exit code, as a shell would."""
    environment = {**os.environ, **variables}
    # Of the caller's real account: it does not belong to the test key pair.
    environment.pop("AWS_SESSION_TOKEN", None)
    try:
        process = subprocess.Popen(arguments, env=environment)  # noqa: S603
    except OSError as error:
        _say(f"{arguments[0]}: {error.strerror}")
        return 127
    while (code := _wait_or_hand_on(process)) is None:
        pass
    return 128 - code if code < 0 else code


def _wait_or_hand_on(process: "subprocess.Popen[bytes]") -> int | None:
    try:
        return process.wait()
    except _TerminatedError:
        process.send_signal(signal.SIGTERM)
    except KeyboardInterrupt:
        # Ctrl-C reached the command as well, which ends as it sees fit.
        pass
    return None


@contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
    def interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        raise _TerminatedError

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
