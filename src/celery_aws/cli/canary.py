"""``celery -A proj aws canary``: a task there and its result back, by a deadline.

The task is one that every Celery worker has. It is for operators and alarms, not for probes:
whether it comes back depends on AWS, on the workers, and on what else is in the queue.
"""

import json
import time
import uuid
from collections import Counter
from typing import Any

import click
from celery import states
from celery.app import task
from celery.backends.base import DisabledBackend
from celery.exceptions import TimeoutError as CeleryTimeoutError

from celery_aws.aws.meter import request_counts
from celery_aws.broker.directory import QueueDirectory
from celery_aws.broker.queue_depths import depth_of_queue
from celery_aws.cli.app import celery_app
from celery_aws.cli.broker import broker_of
from celery_aws.core.canary import Flight, where_stuck
from celery_aws.core.queue_depth import QueueDepth
from celery_aws.errors import AccessDeniedError, ConfigurationError
from celery_aws.names import AmqpQueue
from celery_aws.results import result_backend_of

#: A message may ask for a result although those of its task are ignored: in Celery 5.7, not in 5.5.
ASKS_FOR_RESULTS = hasattr(task, "get_actual_ignore_result")

#: A task of Celery's own (celery/app/builtins.py); it returns the argument that ``index`` names.
TASK = "celery.accumulate"


@click.command("canary", short_help="Send a task, wait for its result, and say where it got stuck.")
@click.option("--queue", help="Celery's name of the queue. Default: the app's default queue.")
@click.option(
    "--timeout",
    "timeout_seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=30.0,
    show_default=True,
    help="Seconds until its result has to be here.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what became of it as JSON.")
@click.pass_context
def command(
    ctx: click.Context, *, queue: str | None, timeout_seconds: float, as_json: bool
) -> None:
    """Send a task and wait for its result, and say where it got stuck.

    The task is celery.accumulate, which every worker has. It expires with the deadline, and its
    result is removed. Costs some five requests here, and three of the worker: to send, receive and
    delete a message, and to write, read and delete a result. Exit code 1: it did not come back.
    """
    app = celery_app(ctx)
    _check_backend(app)
    with broker_of(app) as broker:
        name = AmqpQueue(queue or app.conf.task_default_queue)
        flight = fly(app, broker.directory, name, timeout_seconds)
    click.echo(json.dumps(flight.as_json(), indent=2) if as_json else _line(flight))
    if not flight.came_back:
        ctx.exit(1)


def fly(app: Any, directory: QueueDirectory, queue: AmqpQueue, timeout_seconds: float) -> Flight:
    """Send a canary and wait for it.

    Args:
        app: the Celery app.
        directory: where its queues are.
        queue: to send it to.
        timeout_seconds: until its result has to be here.

    Raises:
        AwsError: it could not be sent.

    Costs one SendMessage, reads of the result that become rarer with time, one DeleteItem, at first
    GetQueueUrl, and GetQueueAttributes if it does not come back.
    """
    before, task_id = Counter(request_counts()), str(uuid.uuid4())
    began = time.monotonic()
    # Not sent to one that is missing: sending would create it.
    there = directory.existing(queue) is not None
    state = _state_of(app, queue, task_id, timeout_seconds) if there else None
    milliseconds = round(1_000 * (time.monotonic() - began))
    depth = _depth(directory, queue) if state == states.PENDING else None
    return Flight(
        queue=queue,
        task_id=task_id,
        came_back=state == states.SUCCESS,
        milliseconds=milliseconds,
        problem=_problem(state, depth),
        depth=depth,
        requests=dict(Counter(request_counts()) - before),
    )


def _check_backend(app: Any) -> None:
    """Refuse an app whose results nobody keeps.

    Raises:
        ConfigurationError: there is no result backend, or workers write no result to it.
    """
    if isinstance(result_backend_of(app), DisabledBackend):
        raise ConfigurationError(
            "the canary waits for the result of its task, and this app keeps none: set "
            "result_backend, here and for the workers",
            where="result_backend",
        )
    if app.conf.task_ignore_result and not ASKS_FOR_RESULTS:
        raise ConfigurationError(
            "task_ignore_result is set, and with this version of Celery a task cannot ask for its "
            "result all the same: the canary would never come back",
            where="task_ignore_result",
        )


def _state_of(app: Any, queue: AmqpQueue, task_id: str, timeout_seconds: float) -> str:
    """Send the task, wait, and return the last state of its result."""
    deadline = time.monotonic() + timeout_seconds
    result = app.send_task(
        TASK,
        args=("canary",),
        kwargs={"index": 0},
        queue=queue,
        task_id=task_id,
        expires=timeout_seconds,
        ignore_result=False,
        retry=False,
    )
    try:
        # Most of Celery's backends take 0 for no limit at all.
        result.get(timeout=max(0.001, deadline - time.monotonic()), propagate=False)
    except CeleryTimeoutError:
        return str(states.PENDING)
    state = str(result.state)
    result.forget()
    return state


def _problem(state: str | None, depth: QueueDepth | None) -> str | None:
    if state == states.SUCCESS:
        return None
    if state is None:
        return "there is no such queue"
    if state == states.PENDING:
        return where_stuck(depth)
    return f"a worker has it, and its task ended as {state}"


def _depth(directory: QueueDirectory, queue: AmqpQueue) -> QueueDepth | None:
    try:
        return depth_of_queue(directory, queue)
    except AccessDeniedError:
        return None


def _line(flight: Flight) -> str:
    asked = ", ".join(f"{name} {count}" for name, count in sorted(flight.requests.items()))
    costs = f"{sum(flight.requests.values())} requests: {asked}"
    if flight.came_back:
        return f"queue {flight.queue}: there and back in {flight.milliseconds} ms ({costs})"
    after = f"after {flight.milliseconds} ms"
    return f"queue {flight.queue}: not back {after}: {flight.problem} ({costs})"
