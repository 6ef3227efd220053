"""What running workers ask of AWS, from two looks at their meters by remote control.

Their own requests only: what web processes send is theirs, and is added as the model has it. A
worker that was started in between is counted from its start, one that ended not at all.
"""

from collections.abc import Mapping
from typing import Any, Final

from celery_aws.clock import Clock
from celery_aws.core.request_usage import RequestUsage
from celery_aws.cost.observation import Observation, month_factor
from celery_aws.cost.request_rates import OURS
from celery_aws.cost.usage_items import usage_items
from celery_aws.errors import NotObservedError

#: Section of ``inspect stats``, as :mod:`celery_aws.broker.usage_report` names it.
_SECTION: Final = "aws"

#: How much older than the sample a worker may be that began in it: the time for answers.
_AGE_SLACK_SECONDS: Final = 5.0

_DELETES: Final = ("DeleteMessage", "DeleteMessageBatch")

_REMARK: Final = (
    "Workers tell of their own requests: those by which others send tasks and read results are not "
    "among the measured ones."
)

#: What workers answered, by their names.
Replies = Mapping[str, Mapping[str, Any]]


def observe_workers(
    app: Any, *, seconds: float, timeout_seconds: float, clock: Clock, results_table: str | None
) -> Observation:
    """Ask an app's workers twice.

    Args:
        app: the Celery app.
        seconds: between the questions.
        timeout_seconds: how long to wait for answers.
        clock: waits.
        results_table: where results are stored, to count them; None if not in DynamoDB.

    Raises:
        NotObservedError: no worker with a meter answered, or no task began.

    Costs three broadcasts.
    """
    inspect = app.control.inspect(timeout=timeout_seconds)
    before, began = inspect.stats() or {}, clock.monotonic()
    clock.sleep(seconds)
    after, ended = inspect.stats() or {}, clock.monotonic()
    consumed = inspect.active_queues() or {}
    return worker_observation(
        before,
        after,
        queues={node: len(queues) for node, queues in consumed.items()},
        seconds=ended - began,
        results_table=results_table,
    )


def worker_observation(
    before: Replies,
    after: Replies,
    *,
    queues: Mapping[str, int],
    seconds: float,
    results_table: str | None,
) -> Observation:
    """Return what two answers say.

    Args:
        before: the first ones.
        after: the second ones.
        queues: how many each worker consumes.
        seconds: between both.
        results_table: where results are stored; None if not in DynamoDB.

    Raises:
        NotObservedError: no worker with a meter answered, one answered the second question only, or
            no task began.
    """
    metered = {node: told for node, told in after.items() if _SECTION in told}
    if not metered:
        raise NotObservedError("no worker on aws+sqs:// answered: raise --timeout, or start one")
    used, tasks = RequestUsage(), 0
    for node, told in metered.items():
        earlier = before.get(node, {})
        # A worker that was started again counts anew.
        same = earlier.get("pid") == told.get("pid")
        if not earlier:
            _check_young(node, told, seconds)
        used += _usage(told).since(_usage(earlier)) if same else _usage(told)
        tasks += _tasks(told) - (_tasks(earlier) if same else 0)
    if tasks <= 0:
        raise NotObservedError(
            f"no task began in {seconds:,.0f} s. Observe the workers for longer (--sample)"
        )
    times = month_factor(seconds)
    seen: dict[str, Any] = {
        "tasks": tasks * times,
        "workers": float(len(metered)),
        # On average: what is paid is each worker's poll of each of its own.
        "queues": max(1.0, sum(map(int, queues.values())) / max(1, len(queues))),
        "busy_share": _busy_share(used, tasks),
    }
    if results_table is not None:
        stored = _requests(used, ("PutItem",), results_table)
        seen["results_share"] = min(1.0, stored / tasks)
    return Observation(
        source=f"{len(metered)} workers",
        seconds=seconds,
        workload=seen,
        items=usage_items(used, times=times),
        remarks=(_REMARK,),
    )


def _check_young(node: str, told: Mapping[str, Any], seconds: float) -> None:
    """Raise if a worker ran before the first question, and did not answer it.

    All that it ever did would be taken for what it did in between.
    """
    age = told.get("uptime")
    if isinstance(age, (int, float)) and age > seconds + _AGE_SLACK_SECONDS:
        raise NotObservedError(
            f"{node} did not answer the first question: raise --timeout, and observe it again"
        )


def _usage(told: Mapping[str, Any]) -> RequestUsage:
    section = told.get(_SECTION)
    if not section:
        return RequestUsage()
    try:
        return RequestUsage.from_json(section["main"]) + RequestUsage.from_json(section["pool"])
    except (KeyError, TypeError, ValueError) as error:
        raise NotObservedError(f"a worker tells something else of its requests: {error}") from error


def _tasks(told: Mapping[str, Any]) -> int:
    return sum(int(count) for count in (told.get("total") or {}).values())


def _requests(used: RequestUsage, operations: tuple[str, ...], resource: str | None = None) -> int:
    return sum(
        row.requests
        for row in used.rows
        if row.operation in operations and resource in (None, row.resource)
    )


def _busy_share(used: RequestUsage, tasks: int) -> float:
    """Return the share of tasks that come with others, by how few requests delete them."""
    inboxes = sum(
        row.requests
        for row in used.rows
        if row.operation in _DELETES and row.resource.endswith("-inbox-*.fifo")
    )
    deletes = (_requests(used, _DELETES) - inboxes) / tasks
    return min(1.0, max(0.0, (1 - deletes) / (1 - OURS.busy_deletes)))
