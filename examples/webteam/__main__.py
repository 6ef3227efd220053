"""Runs the demo: a local AWS, a real worker, and what a web team gives it to do.

Exit code 0 when every task gave what it should; 1 with the reason otherwise.
"""

import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

from celery_aws.local import LocalAws
from celery_aws.testing import WorkerProcess
from examples.webteam import request_log, screen, steps
from examples.webteam.app import app
from examples.webteam.mail_sink import MailSink

#: Seconds for everything.
DEADLINE = 60

CONCURRENCY = 2

#: Lines of the worker's log that are shown when something fails.
LOG_LINES = 15

_ROOT = Path(__file__).parents[2]


class TooSlowError(Exception):
    """The deadline is over."""


def main() -> int:
    """Run everything and return the exit code."""
    started = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="celery-aws-demo-") as scratch, _deadline():
            number = _run(Path(scratch))
    except KeyboardInterrupt:
        screen.failure("interrupted")
        return 130
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what the demo shows
        screen.failure(f"{type(error).__name__}: {error}")
        return 1
    took = time.monotonic() - started
    screen.title(f"All {number} as they should be, in {took:.1f} s. Everything is stopped.")
    return 0


def _run(scratch: Path) -> int:
    screen.title("celery-aws: a web team's tasks on SQS and DynamoDB, on this machine")
    with ExitStack() as stack:
        aws = LocalAws()
        seconds = _timed(lambda: stack.enter_context(aws))
        screen.fact("local AWS", aws.endpoint_url, seconds)
        mails = stack.enter_context(MailSink())
        os.environ.update(_environment(aws))
        worker = WorkerProcess(
            "examples.webteam.app",
            concurrency=CONCURRENCY,
            directory=_ROOT,
            environment={
                "WEBTEAM_MAIL_SERVER": mails.address,
                "WEBTEAM_REQUEST_LOG": str(scratch),
            },
        )
        seconds = _timed(lambda: stack.enter_context(worker))
        screen.fact("Celery worker", f"prefork, {CONCURRENCY} processes", seconds)
        screen.fact("broker_url", app.conf.broker_url)
        screen.fact("result_backend", app.conf.result_backend)
        number = _show_steps(steps.Surroundings(scratch, mails), worker)
    # Now the worker has ended, and its processes have written their counts.
    screen.title("AWS requests: by the client, by the worker, by the processes of its pool")
    screen.requests(request_log.read(scratch))
    return number


def _show_steps(surroundings: steps.Surroundings, worker: WorkerProcess) -> int:
    screen.title("Tasks")
    number = 0
    for number, (label, step) in enumerate(steps.all_steps(), 1):  # noqa: B007
        started = time.monotonic()
        try:
            outcome = step(surroundings)
        except Exception:
            screen.failure(f"{label}; the worker's last lines:")
            screen.detail(worker.log.splitlines()[-LOG_LINES:])
            raise
        screen.good(label, outcome.text, time.monotonic() - started)
        screen.detail(outcome.details)
    return number


def _environment(aws: LocalAws) -> dict[str, str]:
    variables = aws.environment()
    # The two URLs come from celeryconfig.py, as they do in production.
    del variables["CELERY_BROKER_URL"], variables["CELERY_RESULT_BACKEND"]
    return {
        **variables,
        "AWS_SQS_QUEUE_NAME_PREFIX": "webteam-",
        "AWS_DYNAMODB_TABLE_NAME": "webteam-results",
    }


def _timed(action: Callable[[], object]) -> float:
    started = time.monotonic()
    action()
    return time.monotonic() - started


@contextmanager
def _deadline() -> Iterator[None]:
    def too_slow(_number: int, _frame: FrameType | None) -> None:
        raise TooSlowError(f"not done within {DEADLINE} s")

    signal.signal(signal.SIGALRM, too_slow)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.alarm(DEADLINE)
    try:
        yield
    finally:
        signal.alarm(0)


if __name__ == "__main__":
    sys.exit(main())
